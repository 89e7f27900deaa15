"""Charts of text cells: bars of a price with our fills on them, and a curve against a limit.

Each column of cells is one bar, or one stretch of the curve. Up and down differ by glyph before colour, and
every glyph has an ASCII counterpart.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from app.desk.view import formats
from app.desk.view.cells import Cell
from engine.control.replies import Bar, DayPoint, FillMark
from engine.model import NS

Cells = tuple[Cell, ...]

WICK: Final = Cell("│", "muted")
UP: Final = Cell("░", "pnl-up")
DOWN: Final = Cell("█", "pnl-down")
FLAT: Final = Cell("─", "text")
MIDDLE: Final = Cell("·", "muted")
BOUGHT: Final = Cell("▲", "side-buy")
SOLD: Final = Cell("▼", "side-sell")
BOTH: Final = Cell("◆", "heading")
_EMPTY: Final = Cell(" ")

LEAST_WIDTH: Final = 16
LEAST_HEIGHT: Final = 3


class Scale(NamedTuple):
    """Values on rows: `top` is the middle of row 0, each row is `step` lower."""

    top: Decimal
    step: Decimal
    rows: int

    def row(self, value: Decimal) -> int:
        """The row of a value, held within the chart."""
        if not self.step:
            return self.rows // 2
        return max(0, min(self.rows - 1, int((self.top - value) / self.step + Decimal("0.5"))))

    def half(self, value: Decimal) -> int:
        """The half row of a value, counted from the upper half of row 0."""
        if not self.step:
            return self.rows
        place = (self.top + self.step / 2 - value) / self.step * 2
        return max(0, min(2 * self.rows - 1, int(place)))

    def value(self, row: int) -> Decimal:
        """The value in the middle of a row."""
        return self.top - row * self.step


def scale(values: Sequence[Decimal], rows: int, grid: Decimal = Decimal(0)) -> Scale:
    """A scale that holds all values. `grid`: rows stand on multiples of this where there is room for it."""
    high, low = max(values), min(values)
    if grid and (high - low) / grid <= rows - 1:
        spare = rows - 1 - int((high - low) / grid)
        return Scale(high + (spare // 2) * grid, grid, rows)
    step = (high - low) / (rows - 1) if rows > 1 else Decimal(0)
    return Scale(high, step, rows)


def _labels(heights: Scale, texts: Sequence[str]) -> dict[int, str]:
    """On which rows a label stands: top, bottom and what fits between."""
    every = max(1, (heights.rows - 1) // 4) if heights.rows > 1 else 1
    return {row: texts[row] for row in range(0, heights.rows, every)}


def candles(
    bars: Sequence[Bar],
    fills: Sequence[FillMark],
    size: tuple[int, int],
    tick: Decimal,
    seconds: int,
    zone: str,
) -> tuple[Cells, ...]:
    """Bars with our fills, `size` columns by rows, the newest bar at the right beside its price scale. The
    last row is the time."""
    width, height = size
    if not bars:
        return ((Cell(" no prices yet", "muted"),),)
    rows = height - 1
    if width < LEAST_WIDTH or rows < LEAST_HEIGHT:
        return ((Cell(" no room for a chart", "muted"),),)
    probe = bars[-width:]
    label = max(len(formats.price(on_tick(p, tick))) for b in probe for p in (b.high, b.low)) + 1
    shown = bars[-(width - label) :]
    first = shown[0].ts
    marks = [fill for fill in fills if fill.ts >= first]
    values = [p for b in shown for p in (b.high, b.low)] + [fill.price for fill in marks]
    heights = scale(values, rows, tick)
    grid = [[_EMPTY] * (width - label) for _ in range(rows)]
    offset = width - label - len(shown)
    columns: dict[int, int] = {}
    for index, bar in enumerate(shown):
        columns[bar.ts] = offset + index
        _candle(grid, offset + index, bar, heights)
    span = seconds * NS
    for fill in marks:
        column = columns.get(fill.ts // span * span)
        if column is not None:
            row, mark = heights.row(fill.price), BOUGHT if fill.side == "B" else SOLD
            there = grid[row][column]
            grid[row][column] = BOTH if there in (BOUGHT, SOLD, BOTH) and there != mark else mark
    texts = [formats.price(on_tick(heights.value(row), tick)) for row in range(rows)]
    labels = _labels(heights, texts)
    last = heights.row(shown[-1].close)
    labels[last] = formats.price(on_tick(shown[-1].close, tick))
    lines = []
    for row, cells in enumerate(grid):
        text = labels.get(row, "").rjust(label)
        lines.append((*_joined(cells), Cell(text, "heading" if row == last else "muted")))
    return (*lines, _times([b.ts for b in shown], offset, width, zone, 8 if seconds < 60 else 5))


def on_tick(value: Decimal, tick: Decimal) -> Decimal:
    """A value on the price scale as a price that can be quoted: the nearest tick below or at it."""
    return value // tick * tick if value >= 0 else -(-value // tick * tick)


def _candle(grid: list[list[Cell]], column: int, bar: Bar, heights: Scale) -> None:
    for row in range(heights.row(bar.high), heights.row(bar.low) + 1):
        grid[row][column] = WICK if bar.traded else MIDDLE
    if not bar.traded:
        return
    upper, lower = heights.row(max(bar.open, bar.close)), heights.row(min(bar.open, bar.close))
    body = UP if bar.close > bar.open else DOWN if bar.close < bar.open else FLAT
    for row in range(upper, lower + 1):
        grid[row][column] = body


def _joined(cells: Sequence[Cell]) -> list[Cell]:
    """Neighbours of one meaning as one cell."""
    found: list[Cell] = []
    for cell in cells:
        if found and found[-1].meaning == cell.meaning:
            found[-1] = Cell(found[-1].text + cell.text, cell.meaning)
        else:
            found.append(cell)
    return found


def _times(stamps: Sequence[int], offset: int, width: int, zone: str, length: int) -> Cells:
    """The time, in so many characters, under every sixteenth column."""
    line = [" "] * width
    for index in range(0, len(stamps), 16):
        text = formats.clock(stamps[index], zone)[:length]
        at = offset + index
        if at + len(text) <= width:
            line[at : at + len(text)] = text
    return (Cell("".join(line), "muted"),)


def curve(
    points: Sequence[DayPoint],
    size: tuple[int, int],
    limit: Decimal | None,
    step: float,
    now: int,
    zone: str,
) -> tuple[Cells, ...]:
    """The day's profit over time with the zero line, and the limit where it is in sight or near. The last row
    is the time. `limit`: the loss that stops the day, as a positive amount; `step`: seconds between two
    points."""
    width, height = size
    rows = height - 1
    if not points:
        return ((Cell(" no profit known yet", "muted"),),)
    if width < LEAST_WIDTH or rows < LEAST_HEIGHT:
        return ((Cell(" no room for a chart", "muted"),),)
    low, high = min(min(p.low for p in points), Decimal(0)), max(max(p.high for p in points), Decimal(0))
    floor = None if limit is None else -limit
    in_sight = floor is not None and low <= floor / 4
    if floor is not None and in_sight:
        low = min(low, floor)
    if high - low < 1:
        high, low = high + Decimal("0.5"), low - Decimal("0.5")
    heights = scale([high, low], rows)
    texts = [formats.brief_money(heights.value(row)) for row in range(rows)]
    label = max(12, *(len(text) + 1 for text in texts))
    room = width - label
    grid = [[_EMPTY] * room for _ in range(rows)]
    zero = heights.row(Decimal(0))
    grid[zero] = [Cell("┄", "muted")] * room
    labels = {row: text for row, text in _labels(heights, texts).items() if row != zero}
    labels[zero] = "0"
    if floor is not None and in_sight:
        stop = heights.row(floor)
        grid[stop] = [Cell("─", "order-rejected")] * room
        labels[stop] = "STOP"
    starts = _columns(points, room, now)
    held: dict[int, _Stretch] = {}
    for before, after in zip(sorted(starts), sorted(starts)[1:], strict=False):
        if starts[after][0] - starts[before][0] <= 3 * step * NS:  # else nobody knew the profit meanwhile
            _, pnl, *_ = starts[before]
            held.update(dict.fromkeys(range(before + 1, after), (0, pnl, pnl, pnl)))
    for column, (_, pnl, least, most) in (held | starts).items():
        _stroke(grid, column, heights, pnl, least, most)
    lines = []
    for row, cells in enumerate(grid):
        meaning = "order-rejected" if labels.get(row) == "STOP" else "muted"
        lines.append((*_joined(cells), Cell(labels.get(row, "").rjust(label), meaning)))
    begin = {column: stamp for column, (stamp, *_) in starts.items()}
    return (*lines, _curve_times(begin, width, zone))


_Stretch = tuple[int, Decimal, Decimal, Decimal]


def _columns(points: Sequence[DayPoint], room: int, now: int) -> dict[int, _Stretch]:
    """Points by the column in which they fall: (begin, end value, lowest, highest)."""
    first = points[0].ts
    span = max(now, points[-1].ts) - first
    found: dict[int, _Stretch] = {}
    for point in points:
        column = 0 if span <= 0 else min(room - 1, (point.ts - first) * room // (span + 1))
        if len(points) <= room and span > 0:
            column = min(room - 1, (point.ts - first) * (room - 1) // span)
        known = found.get(column)
        if known is None:
            found[column] = (point.ts, point.pnl, point.low, point.high)
        else:
            found[column] = (known[0], point.pnl, min(known[2], point.low), max(known[3], point.high))
    return found


def _stroke(
    grid: list[list[Cell]], column: int, heights: Scale, pnl: Decimal, low: Decimal, high: Decimal
) -> None:
    meaning = "pnl-up" if pnl > 0 else "pnl-down" if pnl < 0 else "text"
    for row in range(heights.row(high), heights.row(low) + 1):
        grid[row][column] = Cell("│", "muted")
    row, half = divmod(heights.half(pnl), 2)
    grid[row][column] = Cell("▄" if half else "▀", meaning)


def _curve_times(begin: dict[int, int], width: int, zone: str) -> Cells:
    line = [" "] * width
    free = 0
    for column in sorted(begin):
        text = formats.clock(begin[column], zone)
        if column >= free and column + len(text) <= width:
            line[column : column + len(text)] = text
            free = column + 16
    return (Cell("".join(line), "muted"),)
