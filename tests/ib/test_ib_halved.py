"""Half a bracket that a killed engine left at TWS, which does not tell whether an order is transmitted.
The journal knows what else belongs to it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from app.drill.processes import EngineProcess, wait_for
from brokers.loopback.tws import Gateway, GatewayThread
from brokers.loopback.tws.client import Client
from brokers.loopback.tws.layout import Values
from brokers.loopback.tws.order import TwsOrder
from engine.control.commands import Submit
from engine.model import OrderType, Side
from tests.ib.kit import needs_library
from tests.ib.test_ib_processes import beside_a_gateway, settings, trades

pytestmark = [needs_library, pytest.mark.slow]


def send_half(venue: GatewayThread, engine: EngineProcess, limit: str, arriving: int) -> None:
    """A bracket of three orders of which only so many arrive at TWS, where they wait for the rest."""
    command = Submit(
        symbol="ES",
        side=Side.BUY,
        size=Decimal(2),
        limit=Decimal(limit),
        take_profit=Decimal("5100"),
        stop_loss=Decimal("4900"),
    )
    trial = msgspec.structs.replace(command, preview=True)
    wait_for(lambda: engine.command(trial).ok or None, "the account's figures are known", every=0.2)
    there = len(venue.call(orders))
    venue.call(lambda gateway: take_only(gateway, arriving))
    answer = engine.command(command)
    assert answer.ok, answer
    wait_for(lambda: len(venue.call(orders)) == there + arriving or None, "half of it at TWS")
    venue.call(lambda gateway: delattr(gateway.trading, "place"))


def take_only(gateway: Gateway, count: int) -> None:
    """The orders behind these do not arrive; what-ifs do."""
    place, left = gateway.trading.place, [count]

    def first(client: Client, values: Values, raw: list[str]) -> None:
        if not values["whatIf"]:
            left[0] -= 1
        if left[0] >= 0:
            place(client, values, raw)

    gateway.trading.place = first  # type: ignore[method-assign]


def orders(gateway: Gateway) -> list[TwsOrder]:
    """What works or waits at TWS."""
    return list(gateway.trading.book.open())


def click(gateway: Gateway) -> None:
    """Somebody transmits the last order that waits in TWS."""
    entry = orders(gateway)[-1]
    entry.transmitted = True
    gateway.trading.send(entry)


def test_after_a_kill_half_a_bracket_is_taken_back_and_one_that_filled_is_protected() -> None:
    # However slow the host: the engine that is to be killed does not give up what has not arrived.
    with beside_a_gateway(churns=False, lost_after=600) as (venue, engine):
        trades(engine, "at first")
        send_half(venue, engine, "4990", 2)
        send_half(venue, engine, "5010", 1)
        engine.kill()
        assert not any(order.transmitted for order in venue.call(orders))
        venue.call(click)
        wait_for(lambda: len(venue.call(orders)) == 2 or None, "the entry at the market filled")
        assert engine.config is not None
        engine.config.write_text(settings(venue.port, churns=False))
        engine.begin()

        def protected(gateway: Gateway) -> bool:
            found = {(o.type, o.side, o.leaves) for o in orders(gateway)}
            return found == {(OrderType.STOP, Side.SELL, 2), (OrderType.LIMIT, Side.SELL, 2)}

        engine.until(lambda _: venue.call(protected), "stop and target of the one, and nothing of the other")
        alarms = engine.until(lambda p: [a for a in p.alerts if a.code == "half_bracket"], "an alarm")
        assert "never came to the broker; the entry is taken back" in alarms[0].text
        positions = engine.until(lambda p: p.positions, "positions")
        assert [(p.symbol, p.executed, p.broker) for p in positions if p.executed] == [("ES", 2, 2)]
        trades(engine, "with its protection")
