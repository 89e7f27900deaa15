"""Contract end: the window before a contract's last safe day lets out and lets nobody in."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from fakeview import BUY, SELL, Bench

from engine.config import InstrumentLimits
from engine.model import NS, Instrument, Purpose
from engine.risk.controls.contract_end import DAY, closes_at, warns_at

ENDS = int(datetime(2025, 12, 19, tzinfo=UTC).timestamp()) * NS


def at(days: float, **limits: object) -> Bench:
    """ES, so many days before its last safe day."""
    bench = Bench()
    bench.view.instruments["ES"] = msgspec.structs.replace(bench.view.instruments["ES"], ends=ENDS)
    bench.view.set_limits(**limits)
    bench.view.time = ENDS - round(days * DAY)
    bench.view.put_quote("ES", 20000, 20001)
    bench.view.put_quote("CL", 6000, 6002)
    return bench


def test_opening_is_refused_from_the_beginning_of_the_window_on() -> None:
    assert at(2.001).refusal(at(2.001).order(BUY, 1)) == ""
    for days in (2, 0.5, 0, -3):
        bench = at(days)
        assert bench.refusal(bench.order(BUY, 1)) == "contract_end"


def test_what_reduces_and_what_flattens_passes() -> None:
    bench = at(1)
    bench.view.put_position("ES", 2)
    assert bench.refusal(bench.order(SELL, 2)) == ""
    assert bench.refusal(bench.order(SELL, 3)) == "contract_end"
    assert bench.refusal(bench.order(SELL, 2, purpose=Purpose.FLATTEN)) == ""


def test_an_instrument_may_have_a_window_of_its_own() -> None:
    own = {"ES": InstrumentLimits(contract_close_days=7)}  # type: ignore[call-arg]
    bench = at(6.5, instruments=own)
    assert bench.refusal(bench.order(BUY, 1)) == "contract_end"
    assert bench.refusal(bench.order(BUY, 1, symbol="CL", limit=6001)) == ""


def test_the_loop_warns_then_trips_as_time_passes() -> None:
    """Nothing else may change: time alone brings it."""
    bench = at(10.5)
    bench.tick()
    assert bench.loop.readings()
    assert _state(bench) == "ACTIVE"
    bench.view.advance(0.5 * 86_400)
    bench.tick()
    assert _state(bench) == "WARN"
    bench.view.advance(8 * 86_400)
    assert ("Breach", "contract_end", "ES") in bench.tick()
    assert _state(bench) == "TRIPPED"


def test_the_next_contract_clears_it() -> None:
    bench = at(1)
    bench.tick()
    bench.view.instruments["ES"] = msgspec.structs.replace(bench.view.instruments["ES"], ends=ENDS + 91 * DAY)
    bench.view.bump("ES")
    assert ("Cleared", "contract_end", "ES") in bench.tick()
    assert bench.refusal(bench.order(BUY, 1)) == ""


@pytest.mark.parametrize(("warn", "close"), [(10, 2), (1, 5)])
def test_the_warning_is_never_later_than_the_window(warn: int, close: int) -> None:
    bench = at(20, contract_warn_days=warn, contract_close_days=close)
    es: Instrument = bench.view.instruments["ES"]
    warns, closes = warns_at(bench.view.limits(), es), closes_at(bench.view.limits(), es)
    assert warns is not None and closes is not None and warns <= closes == ENDS - close * DAY


def _state(bench: Bench) -> str:
    (reading,) = [r for r in bench.loop.readings() if r.control == "contract_end" and r.scope == "ES"]
    return reading.state
