"""One instrument at the exchange: its state, our orders in it, and the rules by which they trade.

Price-time priority. Nothing is matched while the book is crossed or locked, before the first quote, or in a
state that does not match. Orders that arrive meanwhile wait and meet the first sane book as aggressors.
"""

from __future__ import annotations

from typing import Protocol

from brokers.exchange.auction import Interest, equilibrium, participants, shares
from brokers.exchange.config import Bands, ExchangeConfig
from brokers.exchange.orderbook import OrderBook
from brokers.exchange.orders import VenueOrder
from brokers.exchange.ownside import OwnSide
from brokers.exchange.quotebook import QuoteBook
from brokers.exchange.stops import StopBook
from engine.feeds.mbo import MboMessage
from engine.model import Instrument, MarketState, OrderStatus, OrderType, Quote, Side, TimeInForce, Trade

BUY, SELL = Side.BUY, Side.SELL


class Host(Protocol):
    """What a market asks of the exchange around it."""

    def execute(self, order: VenueOrder, qty: int, price: int, maker: bool | None) -> int:
        """Books up to `qty` lots at `price` (ticks); returns how many were executed."""

    def end(self, order: VenueOrder, status: OrderStatus, reason: str, *, unsolicited: bool = False) -> None:
        """Closes an order and takes it out of the market."""

    def trigger(self, order: VenueOrder) -> None:
        """Reports that a stop was triggered."""


class Market:
    """Matching of one instrument. `orders`: all our open orders in it, by uid."""

    def __init__(self, instrument: Instrument, config: ExchangeConfig, host: Host) -> None:
        symbol = instrument.symbol
        self.instrument = instrument
        self.symbol = symbol
        self.config = config
        bands = config.bands.get(symbol, Bands())
        self.low, self.high = bands.low, bands.high
        self.collar = bands.collar if bands.collar is not None else config.collar
        self.state = config.initial_state
        self.orders: dict[int, VenueOrder] = {}
        self.linked: dict[int, VenueOrder] = {}
        """Those of them that others' fills concern: bracket children and reduce-only orders."""
        self.buys, self.sells = OwnSide(BUY), OwnSide(SELL)
        self.waiting: list[VenueOrder] = []
        self.stops = StopBook()
        self.last: int | None = None
        self.book: QuoteBook | OrderBook = QuoteBook(symbol, config)
        self.ignored = 0
        """Quotes and trades not used because the instrument is fed order by order."""
        self._quotes: QuoteBook | None = self.book
        self._host = host
        self._fresh = True
        self._auction_until: int | None = None
        self._auction_ns = round(config.auction_ms * 1e6)
        self._by_trade = config.stop_trigger != "quote"
        self._by_quote = config.stop_trigger != "trade"

    # -- market input

    def on_quote(self, quote: Quote) -> None:
        """A new top of book."""
        book = self._quotes
        if book is None:
            self.ignored += 1
            return
        old = book.top
        book.top = quote
        book.seen += 1
        if not book.sized and (quote.bid_size or quote.ask_size):
            book.sized = True
        if not book.seen & 63:
            book.sample()
        if self.orders:
            if old is not None:
                if quote.bid is not None and (level := self.buys.levels.get(quote.bid)):
                    book.shrink(BUY, level, old, quote)
                if quote.ask is not None and (level := self.sells.levels.get(quote.ask)):
                    book.shrink(SELL, level, old, quote)
            if book.dirty:
                book.refresh(old, quote)
            self._after_book(quote)
        else:
            if book.dirty:
                book.refresh(old, quote)
            self._fresh = True
            if self._auction_until is not None:
                self._after_book(quote)

    def on_trade(self, trade: Trade) -> None:
        """A print."""
        book = self._quotes
        if book is None:
            self.ignored += 1
            return
        price = self.last = trade.price
        quote = book.top
        side = trade.aggressor
        if quote is None or book.synthetic:
            if self.orders:
                self._on_print(price, trade.size, side, trade.ts)
            book.made = Quote(trade.symbol, trade.ts, price - 1, 0, price + 1, 0)
            self.on_quote(book.made)
            return
        if side is None:
            if quote.bid is not None and price <= quote.bid:
                side = SELL
            elif quote.ask is not None and price >= quote.ask:
                side = BUY
        if self.orders or self._auction_until is not None:
            self._on_print(price, trade.size, side, trade.ts)
        if side is SELL:
            if price == quote.bid:
                book.printed[BUY] += trade.size
                book.dirty = True
        elif side is BUY and price == quote.ask:
            book.printed[SELL] += trade.size
            book.dirty = True

    def on_mbo(self, message: MboMessage) -> None:
        """An order-level message; from the first on, quotes and trades of this instrument are ignored."""
        book = self.book
        if not isinstance(book, OrderBook):
            book = self.book = OrderBook()
            self._quotes = None
        if message.action == "T":
            self.last = message.price
            if self.orders or self._auction_until is not None:
                self._on_print(message.price, message.size, message.side, message.ts)
            return
        book.apply(message)
        if message.last:
            book.top = touch = book.quote(self.symbol, message.ts)
            if self.orders or self._auction_until is not None:
                self._after_book(touch)
            else:
                self._fresh = True

    def data_lost(self) -> None:
        """Nobody knows what the market is until the next quote."""
        self._fresh = False

    def set_state(self, state: MarketState, ts: int) -> None:
        """Moves to another state. After pre-open the auction is pending until a print or a sane book."""
        was, self.state = self.state, state
        if was is state:
            return
        if state is MarketState.OPEN and was is MarketState.PRE_OPEN:
            self._auction_until = ts + self._auction_ns
        elif not self.matching:
            self._auction_until = None
        if self.matching and was not in (MarketState.OPEN, MarketState.RESERVED, MarketState.PRE_OPEN):
            self._fresh = False  # what stood before the halt is no market

    # -- what others ask

    @property
    def matching(self) -> bool:
        state = self.state
        return state is MarketState.OPEN or (state is MarketState.RESERVED and self.config.reserved_matching)

    @property
    def ready(self) -> bool:
        """True when an order that arrives now meets a market."""
        return self.matching and self._fresh and self._auction_until is None and self.book.sane

    def mark(self) -> int | None:
        """Mid of a sane two-sided book (rounded down), else the last print, else what side there is."""
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        if bid is not None and ask is not None and bid < ask:
            return (bid + ask) // 2
        if self.last is not None:
            return self.last
        return bid if bid is not None else ask

    def crosses(self, order: VenueOrder) -> bool:
        """True where a limit order would trade at once."""
        far = self.book.best(order.side.opposite)
        bound = order.bound
        return far is not None and bound is not None and (bound - far) * order.side.sign >= 0

    def has_offer(self, taker: Side) -> bool:
        """True when there is somebody to trade with."""
        return self.ready and next(iter(self.book.levels(taker, None)), None) is not None

    # -- our orders

    def accept(self, order: VenueOrder) -> None:
        """Takes in an order that has passed all checks: it trades, rests, waits, or is parked as a stop."""
        self.orders[order.uid] = order
        if order.parent is not None or order.reduce_only:
            self.linked[order.uid] = order
        if order.live > 0:
            self.activate(order)

    def activate(self, order: VenueOrder) -> None:
        """Brings an order to the market: a new one, a released child, a changed one."""
        if order.is_stop:
            self._park(order)
        elif self.ready:
            self._take(order)
        elif order.tif is TimeInForce.FOK or order.tif is TimeInForce.IOC:
            self._host.end(order, OrderStatus.EXPIRED, f"{order.tif}: the market does not match now")
        else:
            if order.bound is None or self._clear_own(order, order.bound, inclusive=True):
                self.waiting.append(order)

    def withdraw(self, order: VenueOrder) -> None:
        """Takes an order out of queue, waiting room and stops, but keeps it among `orders`."""
        own = self.buys if order.side is BUY else self.sells
        if own.remove(order):
            if isinstance(self.book, OrderBook):
                self.book.leave(order)
        elif order in self.waiting:
            self.waiting.remove(order)
        else:
            self.stops.remove(order)

    def placed(self, order: VenueOrder) -> bool:
        """True where the order rests, waits or is parked; False for a held child and a spent one."""
        own = self.buys if order.side is BUY else self.sells
        rests = order.limit is not None and order in own.levels.get(order.limit, ())
        return rests or order in self.waiting or order in self.stops

    def remove(self, order: VenueOrder) -> None:
        self.withdraw(order)
        self.orders.pop(order.uid, None)
        self.linked.pop(order.uid, None)

    # -- the rules

    def _after_book(self, quote: Quote) -> None:
        """The book changed: auction, waiting orders, crossed orders, stops; in this order."""
        self._fresh = True
        if not self.matching or not self.book.sane:
            return
        if self._auction_until is not None:
            self._auction_until = None
            self._uncross_book()
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            for order in waiting:
                if order.live > 0:
                    self._take(order)
        bid, ask = quote.bid, quote.ask
        if ask is not None and self.buys.best is not None and ask <= self.buys.best:
            self._crossed(self.buys, ask)
        if bid is not None and self.sells.best is not None and bid >= self.sells.best:
            self._crossed(self.sells, bid)
        if self.stops and self._by_quote and not self.book.synthetic:
            self._check_stops(up=bid, down=ask)

    def _crossed(self, own: OwnSide, touch: int) -> None:
        """The far touch reached our resting orders: who came there traded with us, at our price."""
        for price in own.reached(touch):
            for order in list(own.levels.get(price, ())):
                lots = min(self.book.touch_lots(own.side.opposite), order.live)
                if lots > 0:
                    done = self._host.execute(order, lots, price, True)
                    self.book.take(own.side, touch, done)

    def _on_print(self, price: int, size: int, aggressor: Side | None, ts: int) -> None:
        """A print: it fills the side that its aggressor hit, and triggers stops."""
        if not self.matching:
            return
        size = size or self.config.assumed_print
        if self._auction_until is not None:
            in_time = ts <= self._auction_until
            self._auction_until = None
            if in_time:
                self._uncross(price, size)
                return
        if self.book.sane or self.book.top is None:
            if aggressor is not BUY and self.buys.best is not None and price <= self.buys.best:
                size -= self._hit(self.buys, price, size, ts)
            if aggressor is not SELL and self.sells.best is not None and price >= self.sells.best:
                self._hit(self.sells, price, size, ts)
        if self.stops and self._by_trade and self.ready:
            self._check_stops(up=price, down=price)

    def _hit(self, own: OwnSide, price: int, size: int, ts: int) -> int:
        """Prints `size` lots at `price` against our side: first what is better, then the queue at it.

        Returns how many lots we got, never more than were printed.
        """
        left = size
        for level_price in own.reached(price):
            level = list(own.levels.get(level_price, ()))
            through = level_price != price
            queue = left
            if not through and self._quotes is not None:
                queue -= self._quotes.overtaken(own.side, price, left, ts)
            eaten = 0
            for order in level:
                ahead = 0 if through else max(self.book.ahead(order) - eaten, 0)
                room = left
                if ahead > 0:
                    part = min(queue, ahead)
                    eaten += part
                    queue -= part
                    left -= part
                    ahead -= part
                    room = min(left, queue)
                order.ahead = ahead
                if ahead == 0 and room > 0 and order.live > 0:
                    done = self._host.execute(order, min(room, order.live), level_price, True)
                    left -= done
                    queue = min(queue, left)
            if left <= 0 and not through:
                break
        return size - left

    def _take(self, order: VenueOrder) -> None:
        """An order meets the book as aggressor; what is left rests or ends by its kind."""
        side, host = order.side, self._host
        bound = self._bound(order)
        if order.post_only and self.crosses(order):
            host.end(order, OrderStatus.CANCELED, "post-only order would trade at once", unsolicited=True)
            return
        if order.tif is TimeInForce.FOK and not self._fills_whole(order, bound):
            host.end(order, OrderStatus.EXPIRED, "fill or kill: not enough at its price")
            return
        for price, lots in self.book.levels(side, bound):
            if not self._clear_own(order, price, inclusive=False):
                return
            qty = min(lots, order.live)
            done = host.execute(order, qty, price, False)
            self.book.take(side, price, done)
            if order.live <= 0 or done < qty:
                break
        if order.closed:
            return
        if order.bound is None:
            if order.live > 0:
                host.end(order, OrderStatus.CANCELED, "nobody left to trade with", unsolicited=True)
        elif order.tif is TimeInForce.IOC:
            host.end(order, OrderStatus.EXPIRED, "immediate or cancel: the rest ends")
        elif self._clear_own(order, order.bound, inclusive=True):
            own = self.buys if side is BUY else self.sells
            self.book.join(order, own.last_at(order.bound))
            own.add(order)

    def _fills_whole(self, order: VenueOrder, bound: int | None) -> bool:
        total, want = 0, order.live
        for _, lots in self.book.levels(order.side, bound):
            total += lots
            if total >= want:
                return True
        return False

    def _bound(self, order: VenueOrder) -> int | None:
        """The worst price at which the order may trade now: its limit, protection, the daily limit."""
        bound = order.bound
        protection = self.config.market_protection
        far = self.book.best(order.side.opposite)
        if bound is None and protection is not None and far is not None:
            bound = far + order.side.sign * protection
        edge = self.high if order.side is BUY else self.low
        if edge is not None and (bound is None or (bound - edge) * order.side.sign > 0):
            bound = edge
        return bound

    def _clear_own(self, order: VenueOrder, price: int, *, inclusive: bool) -> bool:
        """Prevents a trade between two orders of one account up to `price`. False when `order` was ended."""
        own = self.sells if order.side is BUY else self.buys
        met: list[VenueOrder] = []
        if own.best is not None and (own.best - price) * own.sign >= 0:
            met = [o for level in own.reached(price) for o in own.levels[level]]
        if self.waiting:  # a market order that waits for the open meets others first
            met += [o for o in self.waiting if o.side is not order.side and o.bound is not None]
        for resting in met:
            theirs = resting.bound
            if theirs is None or resting.account != order.account:
                continue
            gap = (price - theirs) * order.side.sign
            if gap < 0 or (gap == 0 and not inclusive):
                continue
            if self.config.self_match == "cancel_newest":
                self._host.end(order, OrderStatus.CANCELED, "would trade with ourselves", unsolicited=True)
                return False
            self._host.end(resting, OrderStatus.CANCELED, "would trade with ourselves", unsolicited=True)
        return not order.closed

    def _park(self, order: VenueOrder) -> None:
        """A stop waits for its trigger; where the market is there already it is triggered at once."""
        self.stops.add(order)
        if self.ready:
            if self._by_trade and self.last is not None:
                self._check_stops(up=self.last, down=self.last)
            if self._by_quote and order in self.stops:
                self._check_stops(up=self.book.best(BUY), down=self.book.best(SELL))

    def _check_stops(self, up: int | None, down: int | None) -> None:
        """Triggers buy stops at or below `up` and sell stops at or above `down`, oldest first."""
        for order in self.stops.reached(up, down):
            if order.closed or order.live <= 0 or order not in self.stops:
                continue
            if self.state is MarketState.RESERVED and order.type is OrderType.STOP:
                continue  # it would become a market order, which this state refuses
            self.stops.remove(order)
            order.triggered = True
            self._host.trigger(order)
            self.activate(order)

    # -- the opening auction

    def _uncross_book(self) -> None:
        """No print told the auction's price: it is computed from the first sane book and our orders."""
        bids, asks = self._interest(BUY), self._interest(SELL)
        found = equilibrium(bids, asks, self.mark())
        if found is not None:
            self._uncross(*found)

    def _interest(self, side: Side) -> list[Interest]:
        touch = self.book.best(side)
        others: list[Interest] = [] if touch is None else [(touch, self.book.touch_lots(side))]
        return others + [(o.bound, o.live) for o in participants(self.orders.values()) if o.side is side]

    def _uncross(self, price: int, volume: int) -> None:
        """Trades our orders at the single price: those strictly better, up to the volume of the auction."""
        self.last = price
        for order, lots in shares(participants(self.orders.values()), price, volume):
            done = self._host.execute(order, lots, price, None)
            if self.book.best(order.side.opposite) == price:
                self.book.take(order.side, price, done)
