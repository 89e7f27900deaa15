"""Rows of the snapshot from the books: of a running engine, or of a moment that is gone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine.books import Books
from engine.control.snapshot import CLOSED_SHOWN, NOT_COMPARED, OrderRow, PositionRow
from engine.lifecycle_types import OrderLife
from engine.market import Market
from engine.model import NS, Instrument, Side
from engine.orders_record import OrderRecord
from engine.positions import money_micro


def order_rows(books: Books, *, last_known: bool = False) -> tuple[OrderRow, ...]:
    """Working orders, newest first, then the newest closed. `last_known`: the link has broken since the
    broker told of them. An order that stands as it did gives the row that it gave before: of five thousand
    orders few have changed since the last picture, and the engine's thread has other things to do."""
    working = [
        row if (row := r.drawn) is not None and row.last_known is last_known else _draw(books, r, last_known)
        for r in books.orders.working()
    ]
    working.reverse()
    closed = [
        row if (row := r.drawn) is not None and not row.last_known else _draw(books, r, False)
        for r in books.orders.recent_closed(CLOSED_SHOWN)
    ]
    return (*working, *closed)


def _draw(books: Books, record: OrderRecord, last_known: bool) -> OrderRow:
    row = record.drawn = order_row(books, record, last_known=last_known)
    return row


def order_row(books: Books, record: OrderRecord, *, last_known: bool = False) -> OrderRow:
    """One order as it stands; `last_known`: as it stood when the link broke."""
    order, life = record.order, record.life
    instrument = books.instruments.get(order.symbol)
    average = record.avg_price
    return OrderRow(
        id=order.id,
        broker_id=life.broker_id or "",
        strategy=order.strategy,
        symbol=order.symbol,
        side="BUY" if order.side is Side.BUY else "SELL",
        type=str(order.type),
        tif=str(order.tif),
        qty=size_of(instrument, life.qty),
        filled=size_of(instrument, life.cum),
        leaves=size_of(instrument, life.leaves),
        limit=price_of(instrument, life.limit),
        stop=price_of(instrument, life.stop),
        avg_price=None if average is None or instrument is None else average * instrument.tick,
        status=str(life.status),
        overlay="held" if record.held else overlays(life),
        reason=life.reason,
        created=order.created,
        foreign=record.foreign,
        purpose=str(order.purpose),
        correlation=order.correlation,
        behind=books.behind(order.id),
        last_known=last_known and not record.held,  # what is held here waits at no broker
    )


def position_row(
    books: Books,
    symbol: str,
    market: Market | None,
    now: int,
    states: Mapping[str, str],
    *,
    compared: bool = True,
) -> PositionRow:
    """One instrument's three views. `states`: the words of the last comparison with the broker, by symbol;
    `compared`: it still tells of now."""
    position = books.positions.get(symbol)
    instrument = books.instruments.get(symbol)
    held = position.held
    quote = market.quote if market is not None else None
    data = market.data(now) if market is not None else None
    mark = market.mark_twice if market is not None else None
    realised = money_micro(instrument, held.realised_micro) if instrument is not None else Decimal(0)
    open_pnl: Decimal | None = Decimal(0) if held.qty == 0 else None
    if held.qty and mark is not None and instrument is not None:
        open_pnl = instrument.money(held.total_half(mark)) / 2 - realised
    halt = books.halts.instrument(symbol)
    broker = position.broker
    # Where the broker was read before our last fill, its figure says nothing about now.
    stale = books.is_outdated(position)
    if halt is not None:
        state = f"halted: {halt.code}"
    elif (hold := books.holds.get(symbol)) is not None:
        state = f"held: {hold.code}"
    elif not compared:
        state = NOT_COMPARED
    else:
        state = "in flight" if stale else states.get(symbol, "unknown")
    return PositionRow(
        symbol=symbol,
        intended=None if position.target is None else size_of(instrument, position.target),
        executed=size_of(instrument, held.qty),
        broker=None if broker is None else size_of(instrument, broker),
        diff=None if broker is None or stale or not compared else size_of(instrument, broker - held.qty),
        state=state,
        avg_price=None
        if held.average is None or instrument is None
        else round(held.average * instrument.tick, 6),
        last=price_of(instrument, market.last if market is not None else None),
        bid=price_of(instrument, quote.bid if quote is not None else None),
        ask=price_of(instrument, quote.ask if quote is not None else None),
        open_pnl=_cents(open_pnl),
        realised_pnl=round(realised, 2),
        fees=round(held.fees, 2),
        data_age=None if data is None or data.age is None else data.age / NS,
        data_state="none" if data is None else data.word,
        market_state="UNKNOWN" if market is None else str(market.state(now)),
        by_strategy={
            s: size_of(instrument, part.qty) for s, part in sorted(position.parts.items()) if part.qty
        },
    )


def overlays(life: OrderLife) -> str:
    """What is under way with an order on top of its status, in words; see `OrderRow.overlay`."""
    words = {
        "cancel?": life.pending_cancel,
        "replace?": life.unanswered,
        "suspended": life.suspended,
        "done-for-day": life.done_for_day,
    }
    return " ".join(word for word, there in words.items() if there)


def size_of(instrument: Instrument | None, lots: int) -> Decimal:
    """Lots as a size; as they are where the instrument is not known."""
    return Decimal(lots) if instrument is None else instrument.size(lots)


def price_of(instrument: Instrument | None, ticks: int | None) -> Decimal | None:
    """Ticks as a price; as they are where the instrument is not known."""
    if ticks is None:
        return None
    return Decimal(ticks) if instrument is None else instrument.price(ticks)


def _cents(money: Decimal | None) -> Decimal | None:
    return None if money is None else round(money, 2)
