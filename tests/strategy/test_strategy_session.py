"""What an author may pass in, and what is refused with a sentence that says what is meant."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs
from strategy_kit import DAY, INSTRUMENTS, quote

from engine.model import NS, OrderStatus
from engine.strategy.api import Strategy, StrategyError
from engine.strategy.messages import CancelRef, Intend, Place, ReplaceRef, SetTimer, Start
from engine.strategy.session import Session


class Whole:
    """Counts like an integer of a numerical library."""

    def __index__(self) -> int:
        return 3


@pytest.fixture
def it() -> Strategy:
    start = Start(
        "m:C", "tried", {}, ("GCM3",), INSTRUMENTS, {"GCM3": 2}, (), 1, (quote(100),), DAY, "1", 1, 64, 0, ()
    )
    return Strategy.make(Session(start), {})


def asked(strategy: Strategy) -> list[Any]:
    assert strategy._session is not None
    return list(strategy._session.take()[0])


REFUSED: dict[str, tuple[Callable[[Strategy], object], str]] = {
    "nan": (lambda s: s.buy("GCM3", 1, limit=math.nan), "limit of GCM3 is nan"),
    "inf": (lambda s: s.sell("GCM3", 1, stop=-math.inf), "stop of GCM3 is -inf"),
    "decimal nan": (lambda s: s.buy("GCM3", 1, limit=Decimal("NaN")), "price NaN of GCM3 is not on its"),
    "float": (lambda s: s.buy("GCM3", 1, limit=5.0), "give whole ticks as an int"),
    "text": (lambda s: s.buy("GCM3", "1"), "a quantity of GCM3 is '1' (str)"),
    "bool": (lambda s: s.buy("GCM3", True), "a quantity of GCM3 is True (bool)"),
    "none": (lambda s: s.intend("GCM3", None), "an intended position of GCM3 is None"),
    "part of a lot": (lambda s: s.buy("GCM3", Decimal("0.5")), "size 0.5 of GCM3 is not on its lot 1"),
    "zero": (lambda s: s.buy("GCM3", 0), "it must be above 0"),
    "negative": (lambda s: s.sell("GCM3", -1), "it must be above 0"),
    "too large": (lambda s: s.intend("GCM3", 10**30), "at most 1,000,000,000"),
    "below zero": (lambda s: s.buy("GCM3", 1, limit=0), "GCM3 trades above zero only"),
    "symbol": (lambda s: s.quote("ESH4"), "add it to `symbols` in its configuration"),
    "tif": (lambda s: s.buy("GCM3", 1, tif="DAYS"), "tif 'DAYS' is not one of DAY, GTC, GTD, IOC, FOK"),
    "gtd": (lambda s: s.buy("GCM3", 1, tif="GTD"), "tif GTD and expire (UTC ns) go together"),
    "past": (lambda s: s.buy("GCM3", 1, tif="GTD", expire=5), "expire 5 is not after now"),
    "expire nan": (
        lambda s: s.buy("GCM3", 1, tif="GTD", expire=math.nan),  # type: ignore[arg-type]
        "expire is nan: give whole UTC nanoseconds as an int",
    ),
    "float price": (lambda s: s.ticks("GCM3", 1995.7), "a price of 1995.7 (float)"),  # type: ignore[arg-type]
    "post market": (lambda s: s.buy("GCM3", 1, post_only=True), "post_only needs a limit"),
    "post ioc": (lambda s: s.buy("GCM3", 1, limit=1, tif="IOC", post_only=True), "exclude one another"),
    "bracket": (
        lambda s: s.buy("GCM3", 1, limit=100, take_profit=99),
        "take_profit 99 must be above limit 100 (ticks) for a buy",
    ),
    "bracket short": (
        lambda s: s.sell("GCM3", 1, take_profit=99, stop_loss=98),
        "take_profit 99 must be below stop_loss 98 (ticks) for a sell",
    ),
    "timer nan": (lambda s: s.set_timer(math.nan, "x"), "seconds must be from 0 to"),
    "timer past": (lambda s: s.set_timer(-1, "x"), "seconds must be from 0 to"),
    "timer text": (lambda s: s.set_timer("soon", "x"), "seconds must be a number"),  # type: ignore[arg-type]
    "timer name": (lambda s: s.set_timer(1, ""), "1 to 64 characters"),
    "timers": (lambda s: [s.set_timer(1, str(i)) for i in range(257)], "more than 256 timers are set"),
    "time of day": (lambda s: s.seconds_until("25:00"), "'25:00' is no time of day like 20:55 (UTC)"),
    "ticks": (lambda s: s.ticks("GCM3", "1995.75"), "not on its tick 0.1"),
    "no number": (lambda s: s.ticks("GCM3", "abc"), "a price of 'abc' is no number"),
    "both ways": (
        lambda s: (s.intend("GCM3", 1), s.buy("GCM3", 1)),
        "GCM3 has an intended position: use either intend() or buy()/sell()",
    ),
    "both ways back": (
        lambda s: (s.buy("GCM3", 1), s.intend("GCM3", 1)),
        "GCM3 has explicit orders open: use either intend() or buy()/sell()",
    ),
    "replace to nothing": (lambda s: s.replace(s.buy("GCM3", 1), qty=0), "to take it back, cancel it"),
    "replace nothing": (lambda s: s.replace(s.buy("GCM3", 1)), "replace() needs a new qty, limit or stop"),
    "replace no limit": (lambda s: s.replace(s.buy("GCM3", 1), limit=4), "has no limit to replace"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "complaint"), REFUSED.values(), ids=REFUSED)
def test_refused(it: Strategy, call: Callable[[Strategy], object], complaint: str) -> None:
    with pytest.raises(StrategyError) as caught:
        call(it)
    assert complaint in str(caught.value)


def test_whole_numbers_of_any_kind_and_exact_decimals_are_taken(it: Strategy) -> None:
    it.buy("GCM3", Whole(), limit=Whole())
    it.sell("GCM3", Decimal("2.0"), limit=Decimal("1995.70"))
    first, second = asked(it)
    assert (first.qty, first.limit, second.qty, second.limit) == (3, 3, 2, 19_957)


def test_units(it: Strategy) -> None:
    assert it.ticks("GCM3", "1995.7") == 19_957
    assert it.price("GCM3", 19_957) == Decimal("1995.7")
    assert it.seconds_until("00:00:01") == 1.0
    assert it.seconds_until("00:00") == 86_400.0
    assert it.position("GCM3") == 2
    assert (it.name, it.symbols, it.now) == ("tried", ("GCM3",), DAY)


def test_the_same_intention_is_sent_once(it: Strategy) -> None:
    for lots in (3, 3, 0, 0, 3):
        it.intend("GCM3", lots)
    assert asked(it) == [Intend(-1, 100, 101, "GCM3", lots) for lots in (3, 0, 3)]
    assert it.intended("GCM3") == 3


def test_one_request_for_an_order_at_a_time(it: Strategy) -> None:
    ref = it.buy("GCM3", 2, limit=90)
    assert it.replace(ref, limit=91)
    assert not it.replace(ref, limit=92)
    assert it.cancel(ref) and it.cancel(ref)
    assert not it.replace(ref, limit=93)
    kinds = [type(action) for action in asked(it)]
    assert kinds == [Place, ReplaceRef, CancelRef]
    assert it._session is not None
    order = it.order(ref)
    assert order is not None
    it._session.see_order(structs.replace(order, overlay="", reason="too late to cancel"))
    assert it.cancel_all() == 1
    assert len(asked(it)) == 1
    it._session.see_order(structs.replace(order, status=OrderStatus.CANCELED, leaves=0))
    assert it.orders == []
    assert not it.cancel(ref)
    it._session.see_order(structs.replace(order, status=OrderStatus.WORKING))
    assert len(it.orders_in("GCM3")) == 1, "an order that a bust re-opens is back"


def test_timers_are_rounded_to_the_nanosecond_and_may_be_moved(it: Strategy) -> None:
    it.set_timer(0.1, "a")
    it.set_timer(0.2, "a")
    it.cancel_timer("a")
    it.cancel_timer("a")
    assert [action.delay for action in asked(it) if isinstance(action, SetTimer)] == [NS // 10, NS // 5, None]


def test_nothing_works_before_the_start() -> None:
    class Early(Strategy):
        def __init__(self) -> None:
            self.intend("GCM3", 1)

    with pytest.raises(StrategyError, match="not before on_start"):
        Early.make(Session.__new__(Session), {})


def test_only_callbacks_that_exist_are_wanted() -> None:
    class OnBars(Strategy):
        def on_bar(self, bar: Any) -> None: ...

    class OnBarsToo(OnBars):
        def on_quote(self, quote: Any) -> None: ...

    class Declares(OnBarsToo):
        wants = frozenset({"trade"})

    class Wrong(Strategy):
        wants = frozenset({"trades"})  # type: ignore[arg-type]

    assert OnBars.wanted() == ("bar",)
    assert OnBarsToo.wanted() == ("quote", "bar")
    assert Declares.wanted() == ("trade",)
    with pytest.raises(StrategyError, match="are not among quote, trade, bar"):
        Wrong.wanted()


def test_the_log_is_bounded(it: Strategy) -> None:
    for index in range(200):
        it.log("x" * 5_000, index=index, long="y" * 5_000)
    assert it._session is not None
    _, logs, dropped = it._session.take()
    assert len(logs) + dropped == 200
    assert sum(len(line.text) + sum(map(len, line.fields.values())) for line in logs) <= 50_000
    it.log("again")
    assert len(it._session.take()[1]) == 1
