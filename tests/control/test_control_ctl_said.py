"""What `breakwater ctl` prints of an engine: topics, tables, and who acts when the engine cannot."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from control_harness import Served
from ctlkit import run
from msgspec.structs import replace

from app.exitcodes import CtlExit
from engine.control import wire
from engine.control.snapshot import NOT_COMPARED, Comparison, SentinelRow, Snapshot


@pytest.mark.parametrize("topic", ["status", "orders", "positions", "risk", "alerts", "health", "strategies"])
def test_topics_in_json_are_exact(served: Served, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, topic, "--json") == CtlExit.OK
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert isinstance(served.snapshot, Snapshot)
    expected = wire.encode(wire.topic_of(served.snapshot, topic)).decode()  # type: ignore[arg-type]
    assert out.rstrip("\n") == expected
    assert json.loads(out)


def test_tables_never_crop_a_number_nor_let_text_act(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.snapshot is not None
    long = Decimal("-123456789012345.67890123456789")
    order = served.snapshot.orders[0]
    wide = type(order)(
        **{f: getattr(order, f) for f in order.__struct_fields__}
        | {
            "qty": Decimal("100000000000000000000"),
            "limit": long,
            "reason": "\x1b[2Jevil\nline",
            "foreign": True,
        }
    )
    served.update(orders=(wide, order))
    assert run(served, "orders") == CtlExit.OK
    out = capsys.readouterr().out
    assert "100000000000000000000" in out
    assert str(long) in out
    assert "\x1b" not in out
    assert "foreign" in out
    assert len(out.splitlines()) == 3
    assert run(served, "positions") == CtlExit.OK
    out = capsys.readouterr().out
    assert "drift" in out
    assert "-1" in out
    assert "+2" in out


def test_empty_tables_say_so(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.update(orders=(), positions=(), alerts=(), strategies=(), risk=())
    for topic in ("orders", "positions", "alerts", "strategies"):
        assert run(served, topic) == CtlExit.OK
        assert capsys.readouterr().out == f"no {topic}\n"


def test_status_says_what_matters(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.update(halted=True, halt_reason="daily loss", trading=False, trading_text="recovering")
    run(served, "status")
    out = capsys.readouterr().out
    for words in (
        "PAPER, account PAPER",
        "HALTED: daily loss",
        "NOT enabled: recovering",
        "ES: spread 6 ticks",
        "-12.50 USD (day stops at -2000.00)",
        "100000.12 USD",
        "2 working, 1 UNKNOWN",
        "1 open, 1 DRIFT",
    ):
        assert words in out, words


def test_a_halted_engine_never_says_that_trading_is_enabled(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.update(halted=True, halt_reason="daily loss", trading=True)
    run(served, "status")
    assert "NOT enabled: halted" in capsys.readouterr().out


def test_what_was_not_compared_since_the_link_broke_is_not_printed_as_known(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = served.snapshot
    assert shot is not None
    last = Comparison(at=shot.ts - 14_000_000_000, holds=False, orders=False, why="the link is down")
    served.update(
        orders=tuple(replace(order, last_known=True) for order in shot.orders),
        positions=tuple(replace(row, diff=None, state=NOT_COMPARED) for row in shot.positions),
        comparison=last,
    )
    run(served, "orders")
    assert "WORKING? last known" in capsys.readouterr().out
    run(served, "positions")
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("ES")]
    assert row[2:7] == ["+2", "+1?", "-", "not", "compared"]
    run(served, "status")
    out = capsys.readouterr().out
    assert "2 working as last known" in out and "NOT COMPARED: the link is down; last 14s ago" in out
    run(served, "orders", "--json")
    assert all(row["last_known"] for row in json.loads(capsys.readouterr().out))
    served.update(comparison=replace(last, at=shot.ts - 2_000_000_000, holds=True, orders=True))
    run(served, "status")
    assert "compared     2.0s ago" in capsys.readouterr().out


LOCKED = "LOCKED OUT: the sentinel is at work at the broker, or has not given the lease back"


@pytest.mark.parametrize(
    ("row", "guards"),
    [
        (SentinelRow(), ["sentinel     off", "venue timer  OFF"]),
        (
            SentinelRow(
                state="ok", policy="flatten", text="watching, acts after 5 s of silence, pid 7", heard=0.4
            ),
            [
                "sentinel     flatten: ok watching, acts after 5 s of silence, pid 7, heard 0.4s ago",
                "venue timer  OFF",
            ],
        ),
        (
            SentinelRow(
                state="down", policy="cancel", text=LOCKED, venue="NOT ARMED", venue_text="the link is down"
            ),
            [f"sentinel     cancel: down {LOCKED}", "venue timer  NOT ARMED the link is down"],
        ),
        (
            SentinelRow(venue="ARMED", venue_text="the venue cancels all after 30 s without us"),
            ["sentinel     off", "venue timer  ARMED the venue cancels all after 30 s without us"],
        ),
        (
            SentinelRow(venue="UNSAFE", venue_text="a-1 protects at the venue, which would cancel it"),
            ["sentinel     off", "venue timer  UNSAFE a-1 protects at the venue, which would cancel it"],
        ),
        (
            SentinelRow(venue="NOT AVAILABLE", venue_text="ib has none: orders stay"),
            ["sentinel     off", "venue timer  NOT AVAILABLE ib has none: orders stay"],
        ),
    ],
)
def test_status_and_health_say_who_acts_when_the_engine_cannot(
    row: SentinelRow, guards: list[str], served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = served.snapshot
    assert shot is not None
    served.update(health=replace(shot.health, sentinel=row))
    for topic in ("status", "health"):
        assert run(served, topic) == CtlExit.OK
        out = capsys.readouterr().out.splitlines()
        assert [line for line in out if line.startswith(("sentinel ", "venue timer "))] == guards, topic
    run(served, "status", "--json")
    told = json.loads(capsys.readouterr().out)["sentinel"]
    assert msgspec.convert(told, SentinelRow) == row
