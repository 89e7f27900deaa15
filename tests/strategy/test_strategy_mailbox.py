"""The mailbox: order is kept, memory is bounded, and what concerns its own orders is never lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_kit import quote, trade

from engine.model import Bar, OrderStatus, OrderType, Quote, Side, Trade
from engine.strategy.mailbox import MAX_BATCH, Mailbox, Waiting, batch
from engine.strategy.messages import (
    LETTERS,
    Batch,
    Event,
    Pause,
    PositionSet,
    StrategyFill,
    StrategyOrder,
    Timer,
    frame,
    read_instruction,
)

SYMBOLS = ("GCM3", "ESH4")


def bar(start: int) -> Bar:
    return Bar("GCM3", start, 60, 1, 2, 1, 2, 10, 3)


EVENTS = st.one_of(
    st.builds(lambda bid, symbol: quote(bid, symbol=symbol), st.integers(1, 9**9), st.sampled_from(SYMBOLS)),
    st.builds(trade, st.integers(1, 9**9)),
    st.builds(bar, st.integers(1, 9**9)),
    st.builds(Timer, st.text(max_size=3)),
)


def put(mail: Mailbox, event: Event, conflate: bool) -> None:
    match event:
        case Quote():
            mail.quote(event, 1, conflate)
        case Trade() | Bar():
            mail.print(event, 1)
        case Timer() | PositionSet():
            mail.own(event, 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(EVENTS, st.just(None)), max_size=60), st.integers(1, 8), st.integers(1, 5))
def test_against_the_simplest_model(script: list[Event | None], prints: int, size: int) -> None:
    """None: the strategy takes a batch. The model: a plain list and the rules, one by one."""
    mail = Mailbox(SYMBOLS, max_prints=prints)
    mail.want(("quote", "trade", "bar"))
    model: list[Event] = []
    for event in script:
        if event is None:
            assert [item.event for item in mail.take(size)] == model[:size]
            del model[:size]
            continue
        put(mail, event, conflate=True)
        if isinstance(event, Quote):
            model = [old for old in model if not (isinstance(old, Quote) and old.symbol == event.symbol)]
        if isinstance(event, Trade | Bar):
            kept = [old for old in model if isinstance(old, Trade | Bar)]
            if len(kept) >= prints:
                model.remove(kept[0])
        model.append(event)
        assert len(mail) == len(model)
    assert [item.event for item in mail.take(1_000)] == model
    assert len(mail) == 0


OWN = st.one_of(
    st.builds(PositionSet, st.sampled_from(SYMBOLS), st.integers(-9, 9)),
    st.builds(Pause, st.booleans(), st.text(max_size=3)),
    st.builds(
        lambda qty: StrategyFill(symbol="GCM3", side=Side.BUY, qty=qty, price=5, ts=7, position=qty),
        st.integers(1, 9),
    ),
    st.builds(
        lambda qty: StrategyOrder(
            symbol="GCM3",
            side=Side.SELL,
            type=OrderType.MARKET,
            qty=qty,
            cum=0,
            leaves=qty,
            status=OrderStatus.WORKING,
        ),
        st.integers(1, 9),
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(EVENTS, OWN), max_size=30))
def test_a_batch_arrives_as_it_was_sent(events: list[Event]) -> None:
    made = batch(7, 9, [Waiting(event, 0) for event in events], ())
    got = read_instruction(frame(made)[4:])
    assert got == made
    assert isinstance(got, Batch)
    assert list(got.events()) == events
    assert [LETTERS[type(event)] for event in events] == list(got.kinds)


def test_all_quotes_stay_when_nothing_is_conflated() -> None:
    mail = Mailbox(SYMBOLS)
    for bid in range(5):
        mail.quote(quote(bid), 0, conflate=False)
    assert len(mail) == 5
    assert mail.conflated == 0


def test_unwanted_kinds_do_not_wake_it_but_update_the_touch() -> None:
    mail = Mailbox(SYMBOLS)
    mail.quote(quote(1), 0, conflate=True)
    mail.want(("trade",))
    assert len(mail) == 0
    mail.quote(quote(2), 0, conflate=False)
    mail.quote(quote(3, symbol="ESH4"), 0, conflate=False)
    mail.quote(quote(3, symbol="NQH4"), 0, conflate=False)
    mail.print(bar(1), 0)
    assert len(mail) == 0
    assert mail.marks() == (quote(2), quote(3, symbol="ESH4"))
    assert mail.marks() == ()


def test_own_affairs_have_no_bound_and_batches_have() -> None:
    mail = Mailbox(SYMBOLS, max_prints=1)
    mail.want(("trade",))
    for lots in range(5_000):
        mail.own(PositionSet("GCM3", lots), 0)
        mail.print(trade(1), 0)
    assert mail.dropped == 4_999
    seen: list[int] = []
    while mail:
        taken = mail.take()
        assert len(taken) <= MAX_BATCH
        seen += [item.event.lots for item in taken if isinstance(item.event, PositionSet)]
    assert seen == list(range(5_000))
