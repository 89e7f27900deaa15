"""Ladder, tape, charts, the day, the log and stories as pure functions: nothing cut, nothing invented."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fakeanswers import MID, TICK, bars, day, log, market, own, prints, story
from fakelink import TS, change
from hypothesis import given
from hypothesis import strategies as st

from app.desk.plain import to_ascii
from app.desk.view import chart, pnl
from app.desk.view import log as log_view
from app.desk.view import market as view
from app.desk.view import story as story_view
from app.desk.view.cells import Row
from app.desk.view.orders import side_cell
from engine.control.replies import AccountSeen, Bar, DayPoint, FillMark, Level, StoryTold
from engine.model import NS

D = Decimal
ZONE = "America/Chicago"


def text(row: Row) -> list[str]:
    return [cell.text for cell in row.cells]


def joined(line: tuple[chart.Cell, ...]) -> str:
    return "".join(cell.text for cell in line)


# -- the ladder


def test_a_ladder_shows_book_orders_and_places_side_by_side() -> None:
    rows = {row.key: text(row) for row in view.ladder(market(), MID + 8 * TICK, 20).rows}
    assert rows["4185.25"][:5] == ["2", "14", "23", "4185.25", ""]
    assert rows["4185.50"][2:5] == ["", "4185.50", "17"]
    assert rows["4184.75"][:2] == ["5", "~60"], "an estimate carries its mark"
    assert rows["4186.25"][5:7] == ["?", "3"], "an unknown place is not a number"
    assert "cancel?" in rows["4186.25"][7]
    assert "price limit" in rows["4186.75"][7]


def test_a_stop_stands_in_no_queue() -> None:
    stop = own(4, "SELL", "4182.00", 3, 12, type="STP")
    rows = {row.key: text(row) for row in view.ladder(market(own=(stop,)), D("4182.50"), 5).rows}
    assert rows["4182.00"][5:7] == ["", "3"] and "stop 3" in rows["4182.00"][7]


def test_the_foremost_of_several_orders_says_what_is_before_them() -> None:
    assert view.before([own(1, "BUY", "1", 1, 30), own(2, "BUY", "1", 1, 12)]) == "12"
    assert view.before([own(1, "BUY", "1", 1, None), own(2, "BUY", "1", 1, 7, ahead_exact=False)]) == "~7"
    assert view.before([own(1, "BUY", "1", 1, None)]) == "?"
    assert view.before([]) == ""


@given(
    bid=st.integers(-50, 50),
    wide=st.integers(-3, 30),
    rows=st.integers(1, 40),
    before=st.none() | st.integers(-80, 80),
    still=st.booleans(),
)
def test_a_ladder_holds_still_while_it_shows_the_touch_and_finds_it_again(
    bid: int, wide: int, rows: int, before: int | None, still: bool
) -> None:
    seen = market(
        bid=bid * TICK,
        ask=(bid + wide) * TICK,
        bids=(Level(bid * TICK, D(1)),),
        asks=(Level((bid + wide) * TICK, D(1)),),
        own=(),
    )
    top = view.centred(seen, rows, None if before is None else before * TICK, still=still)
    assert top is not None and top % TICK == 0
    shown = {top - n * TICK for n in range(rows)}
    table = view.ladder(seen, top, rows)
    assert [D(row.key) for row in table.rows] == sorted(shown, reverse=True)
    touch = {seen.bid, seen.ask}
    if before is not None and still and touch <= {before * TICK - n * TICK for n in range(rows)}:
        assert top == before * TICK, "prices do not move under a cursor in use"
    if rows > abs(wide) + 1:
        assert touch <= shown
    again = view.centred(seen, rows, top, still=still)
    if touch <= shown and (still or rows > abs(wide) + 6):
        assert again == top, "it does not jump when nothing has moved"


def test_orders_out_of_sight_are_counted() -> None:
    seen = market()
    assert view.ladder(seen, MID, 3).title.endswith("3 of our orders out of sight")
    assert "out of sight" not in view.ladder(market(own=()), MID, 3).title


# -- the tape


def test_the_tape_is_newest_first_and_names_an_unknown_side() -> None:
    table = view.tape(prints(9), "ESM3", ZONE, missed=3)
    assert [row.key for row in table.rows] == [str(n) for n in range(9, 0, -1)]
    assert "3 missed" in table.title
    assert {text(row)[3] for row in table.rows} == {"BUY", "SELL", "?"}


# -- charts


@st.composite
def some_bars(draw: st.DrawFn) -> tuple[Bar, ...]:
    found = []
    for n in range(draw(st.integers(1, 60))):
        first, last = draw(st.integers(-400, 400)), draw(st.integers(-400, 400))
        high, low = max(first, last) + draw(st.integers(0, 9)), min(first, last) - draw(st.integers(0, 9))
        found.append(
            Bar(n * 60 * NS, first * TICK, high * TICK, low * TICK, last * TICK, D(1), draw(st.booleans()))
        )
    return tuple(found)


@given(made=some_bars(), width=st.integers(1, 90), height=st.integers(1, 30), fill=st.integers(0, 80))
def test_a_price_chart_fills_its_place_exactly_and_its_scale_is_right(
    made: tuple[Bar, ...], width: int, height: int, fill: int
) -> None:
    fills = (FillMark(fill * 60 * NS + 5, "B", made[-1].low, D(1), "a"),)
    lines = chart.candles(made, fills, (width, height), TICK, 60, ZONE)
    if width < chart.LEAST_WIDTH or height - 1 < chart.LEAST_HEIGHT:
        assert "no room" in joined(lines[0])
        return
    assert len(lines) == height
    assert {len(joined(line)) for line in lines} == {width}
    prices = [joined(line).split()[-1] for line in lines[:-1] if joined(line)[-2:].strip()]
    values = [
        D(p.replace("−", "-")) for p in prices if p.replace("−", "-").replace(".", "").lstrip("-").isdigit()
    ]
    assert values == sorted(values, reverse=True)
    assert any(v == made[-1].close for v in values), "the last price stands on the scale"
    assert all(to_ascii(joined(line)).isascii() and "?" not in to_ascii(joined(line)) for line in lines)


def test_up_down_and_fills_differ_by_glyph() -> None:
    made = (
        Bar(0, D(100), D(103), D(99), D(102), D(1), True),
        Bar(60 * NS, D(102), D(103), D(98), D(99), D(1), True),
        Bar(120 * NS, D(99), D(99), D(99), D(99), D(0), False),
    )
    fills = (FillMark(10, "B", D(99), D(1), "a"), FillMark(61 * NS, "S", D(103), D(1), "b"))
    whole = "\n".join(joined(line) for line in chart.candles(made, fills, (30, 12), D(1), 60, "UTC"))
    assert all(glyph in whole for glyph in "░█·▲▼│")
    both = (FillMark(10, "B", D(100), D(1), "a"), FillMark(11, "S", D(100), D(1), "b"))
    assert "◆" in "\n".join(joined(line) for line in chart.candles(made, both, (30, 12), D(1), 60, "UTC"))


@given(
    values=st.lists(st.integers(-3000, 3000), min_size=1, max_size=80),
    width=st.integers(1, 90),
    height=st.integers(1, 25),
    limit=st.none() | st.integers(0, 2500),
)
def test_the_days_curve_fills_its_place_and_shows_zero_and_a_limit_that_is_near(
    values: list[int], width: int, height: int, limit: int | None
) -> None:
    points = tuple(DayPoint(TS + n * 5 * NS, D(v), D(v - 3), D(v + 3)) for n, v in enumerate(values))
    floor = None if limit is None else D(limit)
    lines = chart.curve(points, (width, height), floor, 5.0, TS + len(values) * 5 * NS, ZONE)
    if width < chart.LEAST_WIDTH or height - 1 < chart.LEAST_HEIGHT:
        assert "no room" in joined(lines[0])
        return
    assert len(lines) == height and {len(joined(line)) for line in lines} == {width}
    ends = [joined(line).split()[-1] if joined(line).split() else "" for line in lines[:-1]]
    if floor is not None and min(values) <= -floor:
        assert "STOP" in ends
    if "STOP" not in ends or ends.index("STOP") != 0:
        assert "0" in ends or "STOP" in ends
    marks = [c for line in lines[:-1] for c in joined(line) if c in "▀▄"]
    assert marks


def test_a_stretch_in_which_nobody_knew_the_profit_stays_empty() -> None:
    known = [DayPoint(TS + n * 5 * NS, D(10), D(10), D(10)) for n in range(10)]
    gap = [DayPoint(TS + (n + 60) * 5 * NS, D(10), D(10), D(10)) for n in range(10)]
    lines = chart.curve((*known, *gap), (90, 8), None, 5.0, TS + 350 * NS, ZONE)
    row = next(joined(line) for line in lines if "▀" in joined(line) or "▄" in joined(line))
    marks = [c in "▀▄" for c in row[:70]]
    assert any(marks[:12]) and any(marks[60:]) and not any(marks[20:50])


# -- the day


def test_the_day_says_how_much_of_its_limit_is_used() -> None:
    first, second = pnl.head(day(pnl=D(-1700)))
    assert "85 % used" in joined(first)
    assert any(cell.meaning == "risk-warn" for cell in first)
    assert "carried over −12.50" in joined(second)
    first, _ = pnl.head(day(pnl=None, limit=None))
    assert "?" in joined(first) and "used" not in joined(first)
    _, second = pnl.head(day(partial="the curve begins with this run"))
    assert "begins with this run" in joined(second)


def test_the_brokers_word_on_the_account_is_told_with_its_age() -> None:
    said = joined(pnl.head(day())[1])
    assert "broker's 101,204.25 4.0s old" in said
    old = AccountSeen(equity=D(99_000), at=TS - 185 * NS, counts=False)
    assert "broker's 99,000.00 3m05 old: not known now" in joined(pnl.head(day(account=old))[1])
    assert "broker's not known" in joined(pnl.head(day(account=None))[1])
    assert "broker's" not in joined(pnl.head(day(account=None, equity=None))[1])


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    assert pnl.total(day().instruments) is None
    assert pnl.total(day().strategies) == D("1192.00")
    assert pnl.instruments(day()).rows[-1].key == "CLM3", "what did nothing today comes last"


# -- the log and stories


def test_the_log_is_newest_first_with_level_in_words() -> None:
    table = log_view.table(log().lines, ZONE, ident="c1", newer=4, missed=2)
    assert [int(row.key) for row in table.rows] == list(range(30, 0, -1))
    assert "4 newer" in table.title and "2 missed" in table.title and "about c1" in table.title
    assert text(table.rows[0])[1] == "09:30:07.030"
    assert {text(row)[0].split()[1] for row in table.rows} == {"INFO", "WARN", "ERR"}
    assert log_view.moment("not a time", ZONE) == "not a time"


@pytest.mark.parametrize("width", [30, 60, 100, 190])
def test_no_sentence_of_a_story_is_cut(width: int) -> None:
    told = story()
    table = story_view.table(told, ZONE, width)
    for line in told.lines:
        rows = [row for row in table.rows if row.key == str(line.row) or row.key.startswith(f"{line.row}+")]
        assert " ".join(text(row)[2] for row in rows).split() == line.text.split()
        assert all(len(text(row)[2]) <= max(20, width - 22) for row in rows)
    assert len({row.key for row in table.rows}) == len(table.rows)


def test_a_story_with_rows_left_out_says_where() -> None:
    told = change(story(), left_out=900)
    assert isinstance(told, StoryTold)
    keys = [row.key for row in story_view.table(told, ZONE, 100).rows]
    assert "…" in keys and 0 < keys.index("…") < len(keys) - 1


def test_bars_of_a_real_engine_have_their_sides_coloured_as_words() -> None:
    assert side_cell("BUY").meaning == side_cell("B").meaning == "side-buy"
    assert side_cell("SELL").meaning == side_cell("S").meaning == "side-sell"
    assert len(bars()) == 120
