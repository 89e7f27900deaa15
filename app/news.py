"""`breakwater ctl news`: fills, rejections, alarms and audit of a running engine, each once, as they come."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from app.exitcodes import CtlExit
from app.link import SocketLink
from app.tables import plain
from engine.control.client import Unreachable
from engine.control.news import Event
from engine.core import utc_text
from engine.recorder.words import Words
from engine.records import RunStarted

LISTEN: Final = 1.0
"""Seconds of listening between two looks whether the engine is still there."""


def run(args: argparse.Namespace, directory: Path) -> int:
    """Prints what the history has, and with `--follow` what comes. Raises `Unreachable`."""
    link = SocketLink(directory, read_only=True, rate=1.0)
    link.start()
    try:
        refusal = link.attached(args.wait)
        if refusal or not link.told:
            raise Unreachable(refusal or f"the engine did not answer within {args.wait:g} s: it is stuck")
        return _print(args, link)
    finally:
        link.close("has read the news")


def _print(args: argparse.Namespace, link: SocketLink) -> int:
    seen = args.after
    there = True
    while True:
        batch = link.news(seen)
        if batch.missed:
            sys.stderr.write(f"breakwater ctl: {batch.missed} older events are in the journal alone\n")
            seen += batch.missed
        words = Words(link.started.instruments if link.started is not None else ())
        for event in batch.events:
            sys.stdout.write((_json(event, words) if args.json else _text(event, words)) + "\n")
            seen = event.seq
        sys.stdout.flush()
        if batch.events:
            continue
        if not args.follow and seen >= link.told:
            return CtlExit.OK
        if link.alive() != there:
            there = link.alive()
            state = "is back" if there else "is gone; waiting for it"
            sys.stderr.write(f"breakwater ctl: the engine {state}\n")
        link.listen(seen, LISTEN)


def _text(event: Event, words: Words) -> str:
    about = f"  [{event.order_id or event.correlation}]" if event.order_id or event.correlation else ""
    said = words.record(event.record)
    return plain(f"{event.seq:>6} {utc_text(event.ts)}  {event.stream:<6}  {said}{about}")


def _json(event: Event, words: Words) -> str:
    row: dict[str, Any] = {
        "seq": event.seq,
        "ts": event.ts,
        "stream": event.stream,
        "order_id": event.order_id,
        "correlation": event.correlation,
        "what": words.record(event.record),
        "record": msgspec.to_builtins(event.record, str_keys=True),
    }
    if isinstance(event.record, RunStarted):
        del row["record"]["instruments"]  # long, and of no use to who follows fills
    return json.dumps(row, ensure_ascii=False, default=str)
