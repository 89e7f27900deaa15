"""Two months of one root as two instruments, each exactly one contract; one is rolled to the other over the
wire."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import pytest

from app.drill.processes import ROOT, EngineProcess, short_folder, wait_for
from brokers.ib import IbContract
from brokers.loopback.tws import Gateway, GatewayThread
from brokers.loopback.tws.contracts import Listed
from brokers.loopback.walk import INSTRUMENTS, Walk
from engine.control.client import ControlClient
from engine.control.commands import Roll, Submit
from engine.control.snapshot import Snapshot
from engine.model import NS, OrderType, Side
from engine.ports import NotSent
from tests.conformance.benches.ib import IbBench
from tests.ib.kit import needs_library, play
from tests.ib.test_ib_processes import CONFIG, _environment

pytestmark = needs_library


def months(gateway: Gateway) -> tuple[Listed, Listed]:
    """The two that the gateway lists of ES, the nearer one first."""
    near, far = sorted((c for c in gateway.contracts.listed if c.symbol == "ES"), key=lambda c: c.expiry)
    return near, far


def test_two_months_of_a_root_are_two_instruments_and_two_contracts() -> None:
    async def script(bench: IbBench) -> None:
        near, far = months(bench.gateway)
        named = {
            near.local_symbol: IbContract(exchange="CME", symbol="ES", expiry=near.expiry),
            far.local_symbol: IbContract(exchange="CME", local_symbol=far.local_symbol, symbol="ES"),
        }
        bench.ib.config.contracts.clear()
        bench.ib.config.contracts.update(named)
        await bench.adapter.connect()
        found = {i.symbol: i for i in await bench.adapter.instruments()}
        assert set(found) == set(named)
        one, other = found[near.local_symbol], found[far.local_symbol]
        assert one.ends is not None and other.ends is not None and one.ends < other.ends
        assert (one.tick, one.multiplier, one.currency) == (other.tick, other.multiplier, other.currency)

    play(script, connect=False)


def test_one_contract_under_two_names_is_refused() -> None:
    async def script(bench: IbBench) -> None:
        near, _ = months(bench.gateway)
        bench.ib.config.contracts.clear()
        bench.ib.config.contracts.update(
            {
                "ES": IbContract(exchange="CME", expiry="front", roll_days=0),
                near.local_symbol: IbContract(exchange="CME", symbol="ES", expiry=near.expiry),
            }
        )
        with pytest.raises(NotSent, match="the same contract"):
            await bench.adapter.connect()

    play(script, connect=False)


# -- a whole engine


class Ran(NamedTuple):
    """An engine with both months at a gateway that can be reached into."""

    venue: GatewayThread
    engine: EngineProcess
    near: str
    far: str

    def held(self) -> tuple[int, int]:
        """By the gateway's own books; the near month goes by its root there."""
        held = self.venue.call(lambda g: g.exchange.audit("DU1234567").positions.get("DU1234567", {}))
        return held.get("ES", 0), held.get(self.far, 0)

    def buys(self, lots: int) -> None:
        """A position in the near month, compared with the broker."""
        last = self.engine.until(lambda p: _last(p, self.near), "a price")
        order = Submit(
            symbol=self.near,
            side=Side.BUY,
            size=Decimal(lots),
            type=OrderType.MARKET,
            stop_loss=last.quantize(Decimal(1)) - 100,
        )
        # Nothing opens before the broker has told the day's profit.
        wait_for(lambda: self.engine.command(order).ok, "an order that opens passes", every=0.2)
        self.engine.until(
            lambda p: _rows(p).get(self.near) == (lots, lots), "the position, by executions and by IB"
        )

    def ctl(self, *words: str) -> tuple[int, str]:
        """`breakwater ctl roll …`, again while the position is being compared; exit code and what it says."""
        command = [sys.executable, "-m", "app.cli", "ctl", "--state-dir", str(self.engine.state)]

        def once() -> tuple[int, str] | None:
            done = subprocess.run(
                [*command, "roll", self.near, self.far, *words],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = done.stdout + done.stderr
            return None if "ask again" in said else (done.returncode, said)

        return wait_for(once, "it is compared", every=0.5)


def _last(picture: Snapshot, symbol: str) -> Decimal | None:
    return next((p.last for p in picture.positions if p.symbol == symbol), None)


def _rows(picture: Snapshot) -> dict[str, tuple[Decimal, Decimal | None]]:
    """Executed and IB's position by symbol."""
    return {p.symbol: (p.executed, p.broker) for p in picture.positions}


@contextmanager
def both_months() -> Iterator[Ran]:
    with (
        short_folder() as folder,
        GatewayThread(feed=Walk("ES,NQ@25", INSTRUMENTS, random.Random(3))) as venue,
    ):
        near, far = venue.call(months)
        head, _, tail = CONFIG.partition("[[strategies]]")[0].partition("[ib.contracts.ES]")
        listed = "".join(
            f'[ib.contracts.{c.local_symbol}]\nsymbol = "ES"\nexchange = "CME"\nexpiry = "{c.expiry}"\n'
            'calendar = "always"\n'
            for c in (near, far)
        )
        rest = tail[tail.index("[risk]") :]
        config = folder / "breakwater.toml"
        config.write_text((head + listed + rest).format(port=venue.port))
        engine = EngineProcess(folder / "state", config, "", env=_environment(folder))
        engine.begin()
        try:
            engine.until(lambda p: p.trading, "it trades")
            yield Ran(venue, engine, near.local_symbol, far.local_symbol)
            assert not venue.call(lambda gateway: list(gateway.problems))
        finally:
            if engine.running:
                engine.kill()


@pytest.mark.slow
def test_a_position_is_rolled_over_the_wire() -> None:
    with both_months() as ran:
        ran.buys(3)
        code, said = ran.ctl("all", "within", "4", "preview")
        assert code == 0 and f"Close 3 {ran.near} long at about" in said, said
        preview = said
        assert f"NO stop or target is made for {ran.far}" in said and ran.held() == (3, 0)
        code, said = ran.ctl("4")
        assert code != 0 and "roll 1 to that many" in said, said
        assert "shrink to what is left of it" in preview
        code, said = ran.ctl()
        assert code == 0 and f"rolled 3 of 3 {ran.near} to {ran.far}" in said, said
        assert ran.held() == (0, 3) and "protect" not in said and "works" not in said
        assert not ran.venue.call(lambda gateway: gateway.trading.book.open()), (
            "no stop is left without a position"
        )
        ran.engine.until(
            lambda p: _rows(p).get(ran.far) == (3, 3) and not _rows(p).get(ran.near, (0, 0))[0],
            "executions and IB agree on the far month",
        )


@pytest.mark.slow
def test_killed_between_the_legs_it_is_ended_with_the_exact_numbers() -> None:
    """kill -9 once the near month is closed, before anything of the far one is there."""
    with both_months() as ran:
        ran.buys(2)
        # The closing order is taken; the opening one, or the what-if before it, is lost.
        ran.venue.call(lambda gateway: gateway.script.ignore("place_order", skip=1))
        with ControlClient(ran.engine.state, tty="") as client:
            client.start(Roll(source=ran.near, target=ran.far))
            wait_for(lambda: ran.held()[0] == 0, "the near month is closed", every=0.002)
        ran.engine.kill()
        ran.venue.call(lambda gateway: gateway.script.clear())
        ran.engine.begin()
        alarm = ran.engine.until(
            lambda p: next((a for a in p.alerts if a.code == "roll_half"), None), "the alarm", patience=90
        )
        assert f"ROLL HALF DONE: closed 2 {ran.near}, opened 0 {ran.far}" in alarm.text, alarm.text
        assert "the engine was restarted while it ran" in alarm.text
        ran.engine.until(
            lambda p: (p.comparison.at or 0) > alarm.ts + NS or None, "it has gone on, and compared again"
        )
        assert ran.held() == (0, 0), "nothing was sent again"
