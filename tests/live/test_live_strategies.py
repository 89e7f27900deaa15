"""Strategies that go bad under the real desk: it says which was stopped and why, and still stops in time."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from app.exitcodes import ExitCode
from tests.live.workstation import Start

pytestmark = pytest.mark.slow

BAD = {
    "spins": ("Spins", "ES", "hang_timeout = 1.0", "hung: took no event for 1.0 s"),
    "sleeps": ("Sleeps", "NQ", "hang_timeout = 1.0", "hung: took no event for 1.0 s"),
    "raises": ("Raises", "GC", "", "RuntimeError: the model has no answer"),
    "leaks": ("Allocates", "BTCUSDT-PERP", "memory_mb = 64", "memory limit 64 MB"),
}
STOPS_WITHIN = 5.0
"""Seconds that a graceful stop may take: a promise, so it is measured."""


def config(folder: Path, *sections: str) -> Path:
    path = folder / "bad.toml"
    path.write_text("\n".join(sections), encoding="utf-8")
    return path


def section(name: str, kind: str, symbol: str, more: str) -> str:
    module = f"tests.hostile.strategies:{kind}"
    return f'[[strategies]]\nname = "{name}"\nmodule = "{module}"\nsymbols = ["{symbol}"]\n{more}\n'


def test_the_desk_says_which_strategy_was_stopped_and_why(start: Start, tmp_path: Path) -> None:
    sections = [section(name, *bad[:3]) for name, bad in BAD.items()]
    desk = start("--config", str(config(tmp_path, *sections)), size=(80, 24))
    desk.armed()
    desk.type(b"9")
    desk.shows("Strategies · 4 STOPPED")

    def told() -> bool:
        rows = [line for line in desk.text().splitlines() if "✕ FAILED" in line]
        return all(any(name in row and bad[3] in row for row in rows) for name, bad in BAD.items())

    desk.until(told, "each of them with its reason")
    desk.shows("▲ ALARM", "was stopped: ", "ALM 4!")
    assert " SAFE " in desk.text(), "the others, and the operator, go on"
    assert desk.ctl("kill").returncode == 0
    desk.until(desk.flat, "what they held to be closed")


@pytest.mark.parametrize("kind", ["Spins", "WillNotStop"])
def test_a_strategy_that_does_not_listen_does_not_hold_up_the_stop(
    start: Start, tmp_path: Path, kind: str
) -> None:
    desk = start("--config", str(config(tmp_path, section("deaf", kind, "ES", "hang_timeout = 60"))))
    desk.armed()
    desk.until(lambda: desk.position("ES").broker == 2, "the position after which it goes bad")
    began = time.monotonic()
    desk.signal(signal.SIGTERM)
    code = desk.ended()
    took = time.monotonic() - began
    print(f"gone after {took:.2f} s")
    # The promise is 5 s; the machine's own slowness must not fail the test, a missing deadline must.
    assert code == ExitCode.CLEAN and took < 3 * STOPS_WITHIN
    assert "NOT FLAT: ES +2;" in desk.summary()
    desk.restored(b"\r\n")
