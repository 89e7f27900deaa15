"""A client id that TWS has not let go of yet: a run that starts waits for it, for a while, and says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app import ibrun
from app.settings import Settings, load
from brokers.ib import IbConfig
from engine.feeds.errors import FeedError
from engine.model import NS
from tests.ib.kit import ACCOUNT, CONTRACTS, IbBench, needs_library, play

pytestmark = needs_library

CONFIG = f"""
broker = "ib"
account = "{ACCOUNT}"
[feed]
source = "ib"
[ib.contracts.ES]
exchange = "CME"
expiry = "front"
[link]
retry_first = 0.05
"""


def settings_for(bench: IbBench, folder: Path) -> Settings:
    """A run with the client id of the bench's own adapter."""
    path = folder / "breakwater.toml"
    path.write_text(CONFIG)
    ib = IbConfig(port=bench.port, contracts=CONTRACTS, what_if=False)
    return load(path, {}).model_copy(update={"ib": ib})


def test_a_start_waits_until_the_session_before_it_is_gone(tmp_path: Path) -> None:
    async def script(bench: IbBench) -> None:
        said: list[str] = []

        def waits(why: str) -> None:
            said.append(why)
            bench.clock.call_later(
                NS // 5, lambda: leaving.append(asyncio.ensure_future(bench.adapter.close()))
            )

        leaving: list[asyncio.Future[None]] = []
        feed = await ibrun.open_feed(settings_for(bench, tmp_path), None, bench.clock, waits=waits)
        await leaving[0]
        assert len(said) == 1 and "waiting for up to 20 s: another program is connected with" in said[0]
        assert {instrument.symbol for instrument in feed.instruments} == {*CONTRACTS}
        await feed.adapter.close()

    play(script)


@pytest.mark.parametrize("patient", [False, True])
def test_one_that_stays_in_use_is_told_with_the_remedy(
    tmp_path: Path, patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(bench: IbBench) -> None:
        monkeypatch.setattr(ibrun, "LET_GO_WITHIN", 0.2)
        said: list[str] = []
        waits = said.append if patient else None
        with pytest.raises(FeedError, match=r"client id 1; close it.*326.*breakwater doctor"):
            await ibrun.open_feed(settings_for(bench, tmp_path), None, bench.clock, waits=waits)
        assert len(said) == int(patient)
        await bench.adapter.probe()

    play(script)
