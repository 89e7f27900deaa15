"""One market as a screen draws it: touch, book, our orders with their places, prints, bars, our fills."""

from __future__ import annotations

import heapq
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from engine.books import Books
from engine.control.questions import (
    BAR_SECONDS,
    MAX_BARS,
    MAX_LEVELS,
    MAX_OWN,
    MAX_PRINTS,
    MarketOf,
)
from engine.control.replies import (
    Bar,
    Declined,
    FillMark,
    Level,
    MarketSeen,
    OwnOrder,
    Print,
)
from engine.market import Market
from engine.marketmemory import MarketMemory
from engine.model import NS, Instrument, Side
from engine.orders_record import OrderRecord
from engine.picture_rows import overlays, price_of, size_of
from engine.ports import DepthSource, QueuePlace

if TYPE_CHECKING:
    from engine.engine import Engine


def market_seen(engine: Engine, question: MarketOf) -> MarketSeen | Declined:
    """See `MarketSeen`."""
    core, symbol = engine.core, question.symbol
    market, memory = core.markets.get(symbol), engine.answers.memories.of(symbol)
    if market is None or memory is None:
        known = ", ".join(sorted(core.markets.by_symbol)) or "none"
        return Declined(text=f"there is no market {symbol} here; there are {known}")
    if question.bars and question.bar_seconds not in BAR_SECONDS:
        spans = ", ".join(map(str, BAR_SECONDS))
        return Declined(text=f"bars of {question.bar_seconds} s are not kept; there are {spans} s")
    now, instrument, quote = core.clock.now(), market.instrument, market.quote
    data = market.data(now)
    held = core.books.positions.get(symbol).held
    depth, depth_text, bids, asks = _book(engine, market, min(max(question.levels, 0), MAX_LEVELS))
    own, left_out = own_orders(core.books, instrument, engine.parts.depth, market.mark_twice or 0)
    prints, missed = _prints(memory, instrument, question)
    return MarketSeen(
        symbol=symbol,
        ts=now,
        tick=instrument.tick,
        lot=instrument.lot,
        currency=instrument.currency,
        bid=price_of(instrument, quote.bid if quote is not None else None),
        bid_size=_shown(instrument, quote.bid_size) if quote is not None and quote.bid is not None else None,
        ask=price_of(instrument, quote.ask if quote is not None else None),
        ask_size=_shown(instrument, quote.ask_size) if quote is not None and quote.ask is not None else None,
        last=price_of(instrument, market.last),
        last_ts=market.last_ts,
        state=str(market.state(now)),
        data_state=data.word,
        data_age=None if data.age is None else data.age / NS,
        low_limit=price_of(instrument, market.low_limit),
        high_limit=price_of(instrument, market.high_limit),
        position=instrument.size(held.qty),
        avg_price=None if held.average is None else round(held.average * instrument.tick, 6),
        depth=depth,
        depth_text=depth_text,
        bids=bids,
        asks=asks,
        own=own,
        own_left_out=left_out,
        prints=prints,
        prints_missed=missed,
        last_print=memory.n,
        bars=_bars(memory, instrument, question),
        fills=_fills(memory, instrument) if question.bars else (),
    )


_Sides = tuple[Literal["orders", "top", "none"], str, tuple[Level, ...], tuple[Level, ...]]


def _book(engine: Engine, market: Market, most: int) -> _Sides:
    source = engine.parts.depth
    instrument, quote = market.instrument, market.quote
    found = source.levels(instrument.symbol, most) if source is not None else None
    if found is not None:
        bids, asks = (
            tuple(Level(instrument.price(at.price), instrument.size(at.lots), at.orders) for at in side)
            for side in found
        )
        return "orders", "the whole book, order by order", bids, asks
    if quote is None:
        return "none", "no quote yet", (), ()
    bid = (
        () if quote.bid is None else (Level(instrument.price(quote.bid), _shown(instrument, quote.bid_size)),)
    )
    ask = (
        () if quote.ask is None else (Level(instrument.price(quote.ask), _shown(instrument, quote.ask_size)),)
    )
    return "top", "best bid and ask only: this feed has no depth", bid, ask


def _shown(instrument: Instrument, lots: int) -> Decimal | None:
    """A displayed size; a touch of no size is one whose size is not published."""
    return instrument.size(lots) if lots else None


def own_orders(
    books: Books, instrument: Instrument, source: DepthSource | None, mark_twice: int
) -> tuple[tuple[OwnOrder, ...], int]:
    """Our working orders with their places, nearest to the market first where there are too many, and how
    many are left out."""
    records = books.orders.working(instrument.symbol)
    left_out = max(0, len(records) - MAX_OWN)
    if left_out:

        def distance(record: OrderRecord) -> int:
            price = _ticks(record)
            return 0 if price is None else abs(2 * price - mark_twice)

        records = heapq.nsmallest(MAX_OWN, records, distance)
    places: dict[str, QueuePlace] = {}
    if source is not None and records:
        places = source.places(instrument.symbol, {r.order.id for r in records})
    return tuple(_order(record, instrument, places.get(record.order.id)) for record in records), left_out


def _ticks(record: OrderRecord) -> int | None:
    return record.life.limit if record.life.limit is not None else record.life.stop


def _order(record: OrderRecord, instrument: Instrument, place: QueuePlace | None) -> OwnOrder:
    order, life = record.order, record.life
    return OwnOrder(
        id=order.id,
        side="BUY" if order.side is Side.BUY else "SELL",
        type=str(order.type),
        price=price_of(instrument, _ticks(record)),
        leaves=size_of(instrument, life.leaves),
        status=str(life.status),
        overlay=overlays(life),
        strategy=order.strategy,
        ahead=None if place is None else instrument.size(place.ahead),
        ahead_exact=place is not None and place.exact,
    )


def _prints(
    memory: MarketMemory, instrument: Instrument, question: MarketOf
) -> tuple[tuple[Print, ...], int]:
    most = min(max(question.prints, 0), MAX_PRINTS)
    new = memory.n - max(question.tape_after, 0)
    if new <= 0 or not most:
        return (), 0
    count = min(new, most, len(memory.prints))
    newest = list(memory.prints)[-count:]
    prints = tuple(
        Print(
            p.n,
            p.ts,
            instrument.price(p.price),
            _shown(instrument, p.size),
            "" if p.aggressor is None else str(p.aggressor),
        )
        for p in newest
    )
    return prints, new - count


def _bars(memory: MarketMemory, instrument: Instrument, question: MarketOf) -> tuple[Bar, ...]:
    half = instrument.tick / 2
    return (
        tuple(
            Bar(
                bar.ts,
                bar.open * half,
                bar.high * half,
                bar.low * half,
                bar.close * half,
                instrument.size(bar.volume),
                bar.traded,
            )
            for bar in memory.bars(question.bar_seconds, min(max(question.bars, 0), MAX_BARS))
        )
        if question.bars > 0
        else ()
    )


def _fills(memory: MarketMemory, instrument: Instrument) -> tuple[FillMark, ...]:
    return tuple(
        FillMark(m.ts, str(m.side), instrument.price(m.price), instrument.size(m.qty), m.order_id)
        for m in memory.marks
    )
