"""`breakwater replay` itself: opens the journal, stands where it is told, and says what it sees."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.ctl import find_state_dir
from app.exitcodes import ExitCode
from app.paths import find_config, journal_path
from app.problems import BadConfig
from app.replay.moments import parse_time, span_text, state, state_text, time_text
from app.settings import Settings, load
from app.tables import plain
from engine.config import EngineConfig
from engine.feeds.errors import UnknownSymbol
from engine.feeds.instruments import lookup
from engine.journal.rows import Row
from engine.model import Instrument
from engine.recorder import Recorder, Story, Tape, open_tape, tell
from engine.recorder.words import Words
from engine.records import OrderStored, Refused, decode
from engine.records_sentinel import OrderImported


def run(args: argparse.Namespace) -> int:
    """Prints; returns 0. Raises what the journal refuses with, `ValueError` for options and ids that do not
    exist, `FileNotFoundError`."""
    together(args)
    path = journal_of(args)
    with open_tape(path) as tape:
        if not tape.last:
            raise ValueError(f"{path} has no rows yet")
        words = Words(instruments_of(tape))
        if args.story:
            return _story(args, tape, words)
        if args.begin is not None or args.end is not None:
            return _rows(args, tape, words)
        return _state(args, tape, words)


def together(args: argparse.Namespace) -> None:
    """Raises `ValueError` where two options say different things of where to stand or what to show."""
    given = [f"--{o}" for o in ("story", "row", "at", "step") if getattr(args, o) is not None]
    given += [f"--{o}" for o, value in (("from", args.begin), ("to", args.end)) if value is not None]
    allowed = ({"--at", "--step"}, {"--row", "--step"}, {"--from", "--to"}, {"--story"})
    if not any(set(given) <= choice for choice in allowed):
        raise ValueError(
            f"{' and '.join(given)} do not go together: a moment takes --at or --row, and --step; "
            "rows take --from and --to; a story stands alone"
        )


def stand(args: argparse.Namespace, tape: Tape) -> tuple[int, int, str]:
    """Row at which to begin, row at which to stand after the steps (0: before the first), and what to tell of
    a moment that lies outside of the journal. Raises `ValueError` for a row that there is not."""
    start, note = tape.last, ""
    if args.row is not None:
        start = int(args.row)
        if not (start == 0 or tape.first <= start <= tape.last):
            raise ValueError(f"there is no row {start}: it holds the rows {tape.first} to {tape.last}")
    elif args.at is not None:
        ts = parse_time(args.at, tape)
        start = tape.at(ts)
        if ts < tape.begins:
            note = f"--at {args.at} is before its first row: nothing was recorded yet"
        elif ts > tape.ends:
            note = f"--at {args.at} is after its last row: this is the last that was recorded"
    seq = max(0, min(start + (args.step or 0), tape.last))
    if seq != start + (args.step or 0):
        end = "first" if seq == 0 else "last"
        note = f"--step {args.step:+d} goes beyond its {end} row"
    return start, seq, note


def journal_of(args: argparse.Namespace) -> Path:
    """The file that is meant: the one named, the one in the folder named, or the state directory's."""
    if args.journal is None:
        return journal_path(find_state_dir(args, os.environ))
    path = Path(args.journal).expanduser()
    return journal_path(path) if path.is_dir() else path


def instruments_of(tape: Tape) -> tuple[Instrument, ...]:
    """What the journal says of its instruments; where it does not, the catalogue, by its orders' symbols."""
    found = {i.symbol: i for i in tape.instruments()}
    for row in tape.of_kind("order", "order_imported", "refused"):
        record = decode(row.kind, row.body)
        assert isinstance(record, OrderStored | OrderImported | Refused)
        symbol = record.order.symbol
        if symbol not in found:
            try:
                found[symbol] = lookup(symbol)
            except UnknownSymbol:
                continue
    return tuple(found.values())


def books_config(args: argparse.Namespace, tape: Tape) -> EngineConfig:
    """What the books keep to: the configuration as it is now, where it can be read, for its account."""
    try:
        config = load(find_config(args.config, os.environ), os.environ).engine_config()
    except BadConfig:
        config = Settings().engine_config()
    return config.model_copy(update={"account": tape.account() or config.account})


def _where(tape: Tape) -> str:
    how = "a copy of the running engine's" if tape.live else "of a stopped engine"
    return f"{tape.path}: journal {how}, {tape.last} rows, {time_text(tape.begins)} to {time_text(tape.ends)}"


# -- a state


def _state(args: argparse.Namespace, tape: Tape, words: Words) -> int:
    recorder = Recorder(tape, books_config(args, tape), instruments_of(tape))
    start, seq, note = stand(args, tape)
    moment = recorder.seek(seq)
    told = state(moment, tape, words)
    passed = []
    if args.step:
        low, high = sorted((start, seq))
        passed = [_line(row, words, tape) for row in tape.rows(max(low - 1, 0), min(high, tape.last))]
        passed = passed if args.step > 0 else passed[::-1]
    if args.json:
        told["journal"], told["live"], told["note"] = str(tape.path), tape.live, note
        if args.step:
            told["passed"] = passed
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return ExitCode.CLEAN
    sys.stdout.write(plain(_where(tape)) + "\n" + (f"{plain(note)}\n" if note else "") + "\n")
    for line in passed:
        sys.stdout.write(_text(line))
    if passed:
        sys.stdout.write("\n")
    sys.stdout.write(state_text(told))
    if args.at is None and args.row is None and args.step is None:
        sys.stdout.write(
            "\nStand elsewhere with --at TIME, --row N, --step ±N; follow an id with --story ID.\n"
        )
    return ExitCode.CLEAN


# -- rows


def _line(row: Row, words: Words, tape: Tape) -> dict[str, Any]:
    record = decode(row.kind, row.body)
    return {
        "row": row.seq,
        "ts": row.ts,
        "time": time_text(row.ts),
        "kind": row.kind,
        "order_id": row.order_id,
        "correlation": row.correlation,
        "what": words.record(record, _symbol_of(row, tape)),
    }


def _symbol_of(row: Row, tape: Tape) -> str:
    """The instrument of the order that a row is about."""
    if not row.order_id or row.kind in ("order", "order_imported", "refused"):
        return ""
    for other in tape.about(row.order_id):
        if other.kind in ("order", "order_imported", "refused"):
            record = decode(other.kind, other.body)
            assert isinstance(record, OrderStored | OrderImported | Refused)
            return record.order.symbol
    return ""


def _text(line: dict[str, Any]) -> str:
    about = line["order_id"] or line["correlation"]
    whose = f"  [{about}]" if about else ""
    return plain(f"{line['row']:>7} {line['time'][11:23]}  {line['what']}{whose}") + "\n"


def _rows(args: argparse.Namespace, tape: Tape, words: Words) -> int:
    after = 0 if args.begin is None else tape.at(parse_time(args.begin, tape) - 1)
    upto = tape.last if args.end is None else tape.at(parse_time(args.end, tape))
    both = args.begin is not None and args.end is not None
    if both and parse_time(args.begin, tape) > parse_time(args.end, tape):
        raise ValueError(f"--from {args.begin} lies after --to {args.end}; change them round")
    if upto <= after:
        raise ValueError(
            f"there is no row in that time; it holds {time_text(tape.begins)} to {time_text(tape.ends)}"
        )
    lines: Iterable[dict[str, Any]] = (_line(row, words, tape) for row in tape.rows(after, upto))
    if args.json:
        for line in lines:
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        return ExitCode.CLEAN
    sys.stdout.write(plain(_where(tape)) + "\n\n")
    for line in lines:
        sys.stdout.write(_text(line))
    return ExitCode.CLEAN


# -- a story


def _story(args: argparse.Namespace, tape: Tape, words: Words) -> int:
    story = tell(tape, args.story)
    if story is None:
        raise ValueError(
            f"nothing in {tape.path} has the id '{args.story}'; it may be an order id, a correlation id, "
            "or an alarm as '#12'"
        )
    lines = [
        {
            "row": line.row.seq,
            "ts": line.row.ts,
            "time": time_text(line.row.ts),
            "since": line.since,
            "gap": line.gap,
            "kind": line.row.kind,
            "order_id": line.row.order_id,
            "correlation": line.row.correlation,
            "what": words.record(line.record, story.symbol),
        }
        for line in story.lines
    ]
    if args.json:
        told = {
            "id": story.ident,
            "orders": story.orders,
            "correlations": story.correlations,
            "span": story.span,
            "rows": lines,
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return ExitCode.CLEAN
    sys.stdout.write(_story_text(story, lines))
    return ExitCode.CLEAN


def _story_text(story: Story, lines: list[dict[str, Any]]) -> str:
    if len(lines) == 1:
        out = [f"The story of {story.ident}: one row"]
    else:
        out = [f"The story of {story.ident}: {len(lines)} rows in {span_text(story.span)}"]
    if story.orders:
        out.append(f"  orders: {', '.join(story.orders)}")
    if story.correlations:
        out.append(f"  correlation: {', '.join(story.correlations)}")
    out.append("")
    day = ""
    several = len(story.orders) > 1
    for line in lines:
        if line["time"][:10] != day:
            day = line["time"][:10]
            out.append(day)
        gap = "" if not line["gap"] else f"+{span_text(line['gap'])}"
        whose = f"  [{line['order_id']}]" if several and line["order_id"] else ""
        out.append(f"  {line['time'][11:23]} {gap:>10}  {line['what']}{whose}")
    return "\n".join(plain(line) for line in out) + "\n"
