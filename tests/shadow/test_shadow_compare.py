"""Two journals beside one another: which orders are the same decision, and what each of them got."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.compare import Compared, compare, text
from app.drill.processes import ROOT
from engine.config import JournalConfig
from engine.facts import AnyFact, Busted, Corrected, Executed
from engine.journal import Journal
from engine.model import NS, ExecutionKey, Fill, Instrument, Order, OrderType, Purpose, Side
from engine.recorder import open_tape
from engine.records import EMERGENCY, FactTaken, RunStarted
from engine.sim.loop import VirtualClock, VirtualLoop
from tests.instruments import ES

START = 1_767_800_000 * NS
Entry = Order | AnyFact


def order(name: str, at: float, side: Side = Side.BUY, **more: Any) -> Order:
    fields: dict[str, Any] = {
        "strategy": "trend",
        "account": "A",
        "symbol": "ES",
        "qty": 2,
        "type": OrderType.LIMIT,
    }
    created = START + round(at * NS)
    return Order(**{**fields, "id": name, "side": side, "limit": 100, "created": created, **more})


def fill(name: str, at: float, price: int, qty: int = 2, key: str = "", side: Side = Side.BUY) -> Executed:
    ts = START + round(at * NS)
    name_of = ExecutionKey("X", "A", "2026-01-07", key or f"{name}-{at}")
    found = Fill(key=name_of, symbol="ES", side=side, qty=qty, price=price, ts=ts, order_id=name)
    return Executed(ts=ts, fill=found)


def journal(path: Path, entries: Sequence[Entry], instrument: Instrument = ES) -> Path:
    """A journal with these orders and facts."""
    loop = VirtualLoop(START)

    async def write() -> None:
        config = JournalConfig(durability="process", ballast_mb=0, min_free_mb=0)
        log = await Journal.open(path, config, inline=True, clock=VirtualClock(loop), emergency=EMERGENCY)
        start = RunStarted(
            install="i", run=1, mode="SHADOW", account="A", broker="b", instruments=(instrument,)
        )
        log.append_nowait("run_started", start, ts=START)
        for entry in entries:
            if isinstance(entry, Order):
                log.append_nowait("order", entry, ts=entry.created, order_id=entry.id)
            else:
                log.append_nowait("fact", FactTaken(fact=entry), ts=entry.ts)
        await log.flush()
        await log.close()

    loop.run_until_complete(write())
    loop.close()
    return path


def compared(folder: Path, shadow: Sequence[Entry], real: Sequence[Entry], within: float = 5) -> Compared:
    ours, theirs = journal(folder / "s.db", shadow), journal(folder / "r.db", real)
    with open_tape(ours) as one, open_tape(theirs) as two:
        return compare(one, two, round(within * NS))


def test_the_same_decision_is_found_and_its_fills_stand_beside_one_another(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        [order("s1", 0), fill("s1", 0.25, 101), order("s2", 60, Side.SELL),
         fill("s2", 61, 110, side=Side.SELL)],
        [order("r1", 1), fill("r1", 1.5, 102, 1), fill("r1", 2, 105, 1, "k"), order("r2", 60.5, Side.SELL),
         fill("r2", 61, 109, side=Side.SELL)],
    )  # fmt: skip
    first, second = found.pairs
    assert (first.side, first.apart, first.shadow.price, first.shadow.after) == (
        "BUY",
        1.0,
        101 * ES.tick,
        0.25,
    )
    assert (first.real.price, first.real.lots, first.real.after) == (Decimal("103.5") * ES.tick, 2, 0.5)
    assert (first.worse, second.worse) == (2.5, 1.0), "dearer bought, cheaper sold"
    assert found.worse == 1.75 and (found.alone_shadow, found.alone_real) == (0, 0)
    told = text(found)
    assert "+1.750 ticks a lot worse really" in told and "0.250s" in told


def test_who_filled_alone_and_who_has_no_partner_is_counted(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        [order("s1", 0), fill("s1", 1, 101), order("s2", 20), order("s3", 40), order("s4", 60, qty=3)],
        [order("r1", 0), order("r2", 20), fill("r2", 21, 100), order("r3", 46), order("r4", 60)],
    )
    assert len(found.pairs) == 2 and found.worse is None
    assert (found.only_shadow_filled, found.only_real_filled) == (1, 1)
    assert (found.alone_shadow, found.alone_real) == (2, 2), "six seconds apart; other lots"
    assert "no lot filled in both" in text(found)


def test_the_nearest_make_a_pair_and_nobody_is_taken_twice(tmp_path: Path) -> None:
    found = compared(tmp_path, [order("s1", 0), order("s2", 3)], [order("r1", 2.5), order("r2", 4)])
    assert [(p.ts - START, p.apart) for p in found.pairs] == [(0, 4.0), (3 * NS, -0.5)]


def test_corrected_and_busted_executions_count_as_they_stand_and_repeats_once(tmp_path: Path) -> None:
    wrong, gone = fill("s1", 1, 150, key="a"), fill("s1", 1, 101, 5, "b")
    right = fill("s1", 1, 101, key="a2")
    ts = START + 2 * NS
    found = compared(
        tmp_path,
        [order("s1", 0), wrong, wrong, gone, Busted(ts=ts, key=gone.fill.key),
         Corrected(ts=ts, key=wrong.fill.key, fill=right.fill)],
        [order("r1", 0), fill("r1", 1, 101)],
    )  # fmt: skip
    assert found.pairs[0].shadow.lots == 2 and found.worse == 0


def test_flattening_is_no_decision_of_a_strategy(tmp_path: Path) -> None:
    found = compared(tmp_path, [order("s1", 0, purpose=Purpose.FLATTEN)], [order("r1", 0)])
    assert (len(found.pairs), found.alone_shadow, found.alone_real) == (0, 0, 1)
    assert "no order of one run has a partner" in text(found)


def test_prices_of_other_ticks_are_not_compared(tmp_path: Path) -> None:
    ours = journal(tmp_path / "s.db", [])
    theirs = journal(tmp_path / "r.db", [], Instrument(**{f: getattr(ES, f) for f in ES.__struct_fields__}
                                                       | {"tick": Decimal("0.1")}))  # fmt: skip
    with open_tape(ours) as one, open_tape(theirs) as two, pytest.raises(ValueError, match="tick"):
        compare(one, two, NS)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_prints_it(as_json: bool, tmp_path: Path) -> None:
    shadow = journal(tmp_path / "journal.db", [order("s1", 0), fill("s1", 0.25, 101)])
    real = journal(tmp_path / "r.db", [order("r1", 0), fill("r1", 0.5, 103)])
    command = [sys.executable, "-m", "app.cli", "journal", "compare", "--journal", str(shadow)]
    words = ["--against", str(real), *(["--json"] if as_json else [])]
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if as_json:
        assert json.loads(done.stdout)["worse"] == 2.0
    else:
        assert "+2.000 ticks a lot worse really" in done.stdout

    def fails(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=60)

    bad = fails("--against", str(real), "--within", "soon")
    assert bad.returncode == 2 and "'soon' is no duration" in bad.stderr
    none = fails("--against", str(tmp_path / "none.db"))
    assert none.returncode != 0 and "none.db" in none.stderr and "Traceback" not in none.stderr
