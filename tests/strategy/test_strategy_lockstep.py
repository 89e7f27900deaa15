"""A strategy in lockstep, in a real process: what it sees and what comes back."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from strategy_kit import DAY, Rig, alive, pid_of, quote, trade

from engine.model import NS, OrderStatus, OrderType, Side, TimeInForce
from engine.strategy.messages import Earlier, Intend, Place, ReplaceRef, StrategyFill, StrategyOrder


def test_events_come_in_order_and_actions_go_back_with_what_was_seen(rig: Rig) -> None:
    host = rig.host("""
        def on_quote(self, quote):
            self.log(f"quote {quote.bid}")
        def on_trade(self, trade):
            self.log(f"trade {trade.price}")
            self.intend(trade.symbol, 3)
    """)
    assert host.state == "running"
    host.step([quote(100), trade(101, ts=DAY + 7), quote(102)])
    assert [text for _, text in rig.sink.logs] == ["quote 100", "trade 101", "quote 102"]
    (acted,) = rig.sink.acted
    assert acted.action == Intend(1, 100, 101, "GCM3", 3)
    assert (acted.origin.kind, acted.origin.ts, acted.origin.symbol) == ("trade", DAY + 7, "GCM3")
    assert acted.origin.arrived > 0
    assert (acted.origin.bid, acted.origin.ask) == (100, 101)


def test_only_wanted_kinds_and_own_symbols_wake_it_yet_the_touch_is_fresh(rig: Rig) -> None:
    host = rig.host("""
        def on_trade(self, trade):
            self.log(str(self.quote("GCM3").bid))
    """)
    host.step([quote(100), quote(5, symbol="ESH4")])
    host.step([quote(101), trade(1, symbol="ESH4")])
    assert host.status().batches == 0
    host.step([trade(7)])
    assert (host.status().batches, host.status().events) == (1, 1)
    assert rig.sink.logs == [("info", "101")]


def test_explicit_orders_carry_every_term(rig: Rig) -> None:
    host = rig.host("""
        def on_start(self):
            self.buy("GCM3", 2, limit=19950, take_profit=19960, stop_loss=19940)
            self.sell("GCM3", Decimal("3"), stop=Decimal("1990.0"), tif="GTC", reduce_only=True)
            then = self.now + NS
            ref = self.buy("GCM3", 1, limit=Decimal("1995.1"), tif="GTD", expire=then, post_only=True)
            assert self.replace(ref, limit=19949)
            assert not self.replace(ref, limit=19948)
    """)
    assert host.state == "running"

    def place(ref: int, *terms: Any, **more: Any) -> Place:
        return Place(-1, None, None, ref, "GCM3", *terms, **more)

    assert rig.sink.actions == [
        place(1, Side.BUY, 2, OrderType.LIMIT, limit=19950, take_profit=19960, stop_loss=19940),
        place(2, Side.SELL, 3, OrderType.STOP, stop=19900, tif=TimeInForce.GTC, reduce_only=True),
        place(
            3,
            Side.BUY,
            1,
            OrderType.LIMIT,
            limit=19951,
            tif=TimeInForce.GTD,
            expire=DAY + NS,
            post_only=True,
        ),
        ReplaceRef(-1, None, None, 3, limit=19949),
    ]


def test_own_orders_fills_and_position_reach_it_by_themselves(rig: Rig) -> None:
    host = rig.host("""
        def on_start(self):
            self.ref = self.buy("GCM3", 2, limit=19950)
            self.say("start")
        def on_order(self, order):
            self.say(f"order {order.status.value} {order.order_id}")
        def on_fill(self, fill):
            self.say(f"fill {fill.qty}@{fill.price} fee {fill.fee} for {fill.ref}")
        def say(self, what):
            self.log(f"{what}: open {[o.status.value for o in self.orders]} position {self.position('GCM3')}")
    """)
    order = StrategyOrder(
        symbol="GCM3",
        side=Side.BUY,
        type=OrderType.LIMIT,
        qty=2,
        cum=0,
        leaves=2,
        status=OrderStatus.WORKING,
        limit=19950,
        ref=1,
        order_id="tried-1",
    )
    host.order(order)
    rig.clock.run()
    host.order(structs.replace(order, cum=2, leaves=0, status=OrderStatus.FILLED))
    host.fill(
        StrategyFill(
            symbol="GCM3", side=Side.BUY, qty=2, price=19950, ts=DAY, position=2, ref=1, fee=Decimal("4.10")
        )
    )
    host.position("GCM3", -1)
    rig.clock.run()
    host.stop(2.0)
    assert [text for _, text in rig.sink.logs] == [
        "start: open ['PENDING_NEW'] position 0",
        "order WORKING tried-1: open ['WORKING'] position 0",
        "order FILLED tried-1: open [] position 0",
        "fill 2@19950 fee 4.10 for 1: open [] position 2",
    ]


def test_an_earlier_run_is_handed_over_at_the_start(rig: Rig) -> None:
    host = rig.host(
        """
        def on_start(self):
            self.log(f"{self.intended('GCM3')} {self.intended_before('GCM3')}")
            self.log(f"{self.position('GCM3')} {self.orders[0].order_id} {self.quote('GCM3').bid}")
            self.cancel(self.orders[0].ref)
            self.buy("GCM3", 1, limit=1)
        """,
        start=False,
    )
    left = StrategyOrder(
        symbol="GCM3", side=Side.SELL, type=OrderType.LIMIT, qty=1, cum=0, leaves=1,
        status=OrderStatus.WORKING, order_id="tried-9", ref=4, limit=30_000,
    )  # fmt: skip
    host.start(Earlier({"GCM3": -3}, (left,), next_ref=5, quotes=(quote(77),), intended={"GCM3": -4}))
    assert rig.sink.logs == [("info", "None -4"), ("info", "-3 tried-9 77")]
    assert [action.ref for action in rig.sink.actions] == [4, 5]


def test_timers_run_on_engine_time(rig: Rig) -> None:
    rig.host("""
        def on_start(self):
            self.set_timer(1.5, "a")
            self.set_timer(9, "b")
            self.set_timer(5, "never")
            self.cancel_timer("never")
        def on_timer(self, name):
            self.log(f"{name} at {(self.now - 1682899200 * NS) / NS}")
            if name == "a":
                self.set_timer(2, "b")
    """)
    rig.clock.to(DAY + 60 * NS)
    assert [text for _, text in rig.sink.logs] == ["a at 1.5", "b at 3.5"]


def test_the_same_seed_gives_the_same_actions_and_another_seed_others(tmp_path: Path) -> None:
    body = """
        def on_quote(self, quote):
            for name in {"ab", "cd", "ef", "gh", "ij"}:
                self.log(name)
            draw = self.random.randint(0, 9) + random.randint(0, 9)
            self.intend("GCM3", draw - 9)
    """

    def run(seed: int) -> tuple[list[Any], list[Any]]:
        rig = Rig(tmp_path)
        host = rig.host(body, seed=seed)
        for index in range(40):
            rig.clock.to(DAY + index * NS)
            host.step([quote(19_900 + index % 7, ts=DAY + index * NS)])
        host.stop(2.0)
        return rig.sink.actions, rig.sink.logs

    first, again, other = run(1), run(1), run(2)
    assert first == again
    assert len(first[0]) > 20
    assert first[0] != other[0]


def test_stop_hands_on_the_last_wishes_and_ends_the_process(rig: Rig) -> None:
    host = rig.host("""
        def on_start(self):
            self.intend("GCM3", 2)
        def on_stop(self, reason):
            self.log(reason)
            self.intend("GCM3", 0)
    """)
    pid = pid_of(host)
    host.stop(5.0, "day is over")
    assert rig.sink.actions[-1].lots == 0
    assert rig.sink.acted[-1].origin.kind == "stop"
    assert rig.sink.states == [("starting", ""), ("running", ""), ("stopped", "day is over")]
    assert rig.sink.logs == [("info", "day is over")]
    assert not alive(pid)
    host.start()
    assert host.state == "running"


def test_pause_is_told_and_lasts_over_the_start(rig: Rig) -> None:
    host = rig.host("def on_quote(self, quote): self.log(repr(self.paused))")
    host.pause("spread")
    host.step([quote()])
    host.resume()
    host.step([quote()])
    assert [text for _, text in rig.sink.logs] == ["'spread'", "''"]
    assert rig.sink.states[-2:] == [("paused", "spread"), ("running", "")]


def test_what_it_prints_goes_to_the_log_bounded(rig: Rig) -> None:
    host = rig.host("""
        def on_quote(self, quote):
            print("shown")
            os.write(1, b"x" * 200_000)
            os.write(2, b"not shown either")
            for i in range(300_000):
                print("much", i)
            self.intend("GCM3", 1)
    """)
    host.step([quote()])
    assert host.state == "running"
    assert rig.sink.logs[0] == ("output", "shown")
    assert len(rig.sink.logs) <= 100
    assert host.status().lines_lost == 300_001 - 100
    assert rig.sink.actions == [Intend(0, 19_957, 19_958, "GCM3", 1)]


def test_its_own_variables_are_kept_and_come_back(rig: Rig) -> None:
    body = """
        def on_start(self):
            self.log(f"{self.saved}")
        def on_quote(self, quote):
            self.saved.setdefault("bids", []).append(quote.bid)
            self.intend("GCM3", quote.bid)
            if quote.bid == 13:
                raise ValueError("unlucky")
        def on_stop(self, reason):
            self.saved["over"] = True
    """
    host = rig.host(body)
    known: list[int] = []
    rig.sink.then = lambda _: known.append(len(rig.sink.saved))
    for bid in (1, 2, 3):
        host.step([quote(bid)])
    assert rig.sink.saved == ['{"bids": [1]}'], "once a second"
    assert known == [1, 1, 1], "before what the same answer asks for"
    rig.clock.to(DAY + NS)
    host.step([quote(4)])
    assert json.loads(rig.sink.saved[-1]) == {"bids": [1, 2, 3, 4]}
    host.step([quote(5)])
    host.stop(5.0)
    assert json.loads(rig.sink.saved[-1]) == {"bids": [1, 2, 3, 4, 5], "over": True}
    kept = rig.sink.saved[-1]
    host.start(Earlier(saved=kept))
    assert rig.sink.logs[-1] == ("info", "{'bids': [1, 2, 3, 4, 5], 'over': True}")
    host.step([quote(13)])
    assert host.state == "failed"
    assert rig.sink.saved[-1] == kept, "what a failing callback changed is not kept"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("Decimal(1)", "self.saved takes what JSON knows: Object of type Decimal"),
        ("math.nan", "self.saved takes what JSON knows: Out of range float"),
        ("(1, 2)", "self.saved would not come back as it is"),
        ("{1: 2}", "self.saved would not come back as it is"),
        ("'x' * 20_000", "self.saved has 20,"),
    ],
)
def test_what_cannot_be_kept_is_refused(rig: Rig, value: str, complaint: str) -> None:
    host = rig.host(f"def on_quote(self, quote): self.saved['x'] = {value}")
    host.step([quote()])
    assert host.reason.startswith(complaint), host.reason
    assert not rig.sink.saved
