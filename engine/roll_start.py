"""What must hold before a roll may begin, and what it would do, in words that a person is asked by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from engine.books import EXTERNAL
from engine.control.commands import Roll
from engine.core import Core
from engine.feeds.instruments import root_of
from engine.intake import Intake
from engine.kill import KillSwitch
from engine.model import Instrument, OffGrid, Order, OrderType, Purpose, Quote, Side, TimeInForce
from engine.ordering import MANUAL
from engine.orders_record import OrderRecord
from engine.risk.controls.contract_end import closes_at, told
from engine.risk.gate import Gate
from engine.risk.view import DataWord
from engine.roll_guard import guards
from engine.view import EngineView

_LATER: Final = frozenset({"margin", "gross", "net", "class_gross", "max_working", "order_rate", "duplicate"})
"""Controls that cannot judge the opening leg before the closing one has freed what it takes: they judge each
of its orders when that is sent."""

_QUOTES: Final[dict[DataWord, str]] = {
    "live": "one-sided",
    "one_sided": "one-sided",
    "behind": "late",
    "jump": "not confirmed after a jump in price",
    "closed": "those of a closed market",
    "none": "missing",
}
"""What they are where the word of their state does not say it."""


class NotRolled(ValueError):
    """Why a roll does not begin, and what to do about it."""


class Plan(NamedTuple):
    """A roll that may begin."""

    source: Instrument
    target: Instrument
    side: Side
    """Of the closing orders."""
    lots: int
    held: int
    within: int
    closing: Quote
    opening: Quote
    give_up: tuple[str, ...]
    """Strategies, all stopped, whose declared position in the source ends with it."""
    owners: tuple[tuple[str, int], ...]
    """Who holds how many lots of the source, signed."""


def leg_order(core: Core, instrument: Instrument, side: Side, lots: int, within: int, roll: str) -> Order:
    """A leg's marketable limit, `within` ticks beyond the far touch. Raises `NotRolled` where there is no
    price on that side."""
    market = core.markets.get(instrument.symbol)
    quote = market.quote if market is not None else None
    touch = None if quote is None else quote.ask if side is Side.BUY else quote.bid
    if touch is None:
        raise NotRolled(f"{instrument.symbol} has no {'ask' if side is Side.BUY else 'bid'}")
    limit = touch + side.sign * within
    if not instrument.nonpositive_price:
        limit = max(1, limit)
    return Order(
        id=core.ids.order_id(MANUAL) if roll else f"{MANUAL}-preview",
        strategy=MANUAL,
        account=core.config.account,
        symbol=instrument.symbol,
        side=side,
        qty=lots,
        type=OrderType.LIMIT,
        limit=limit,
        tif=TimeInForce.DAY,
        created=core.clock.now(),
        correlation=roll,
        arrival=touch,
    )


class RollDesk:
    """Judges a roll that is asked for. Runs on the engine's thread; changes nothing."""

    def __init__(self, core: Core, intake: Intake, gate: Gate, view: EngineView, kill: KillSwitch) -> None:
        self._core = core
        self._intake = intake
        self._gate = gate
        self._view = view
        self._kill = kill
        self.compare: Callable[[], None] = lambda: None
        """Has the broker's positions and account read soon."""
        self.ask_margin: Callable[[str, Side], None] = lambda *_: None
        """Has the broker asked what a lot of a symbol needs."""

    def plan(self, command: Roll) -> Plan:
        """The roll that is meant. Raises `NotRolled`."""
        core, books = self._core, self._core.books
        source, target = self._instrument(command.source), self._instrument(command.target)
        self._alike(source, target)
        for symbol in (source.symbol, target.symbol):
            if why := self.trouble(symbol):
                raise NotRolled(why)
            for roll in books.rolls.active.values():
                if roll.concerns(symbol):
                    begun = roll.started
                    raise NotRolled(
                        f"{begun.source} is being rolled to {begun.target}: wait for its end, or cancel its "
                        "orders"
                    )
        held = books.positions.qty(source.symbol)
        if not held:
            raise NotRolled(f"there is no position in {source.symbol} to roll")
        give_up = self._strategies(source.symbol)
        self._compared(source.symbol, target.symbol)
        lots = self._lots(source, command.size, abs(held))
        now, limits = core.clock.now(), self._view.limits()
        closes = closes_at(limits, target)
        if closes is not None and now >= closes:
            raise NotRolled(f"{target.symbol} ends: {told(target, now)}; roll to a later month")
        side = Side.SELL if held > 0 else Side.BUY
        owners = tuple(
            (s, p.qty) for s, p in sorted(books.positions.get(source.symbol).parts.items()) if p.qty
        )
        within = core.config.roll.within_ticks if command.within is None else command.within
        if within < 0:
            raise NotRolled(f"within {within} ticks is below zero")
        found = Plan(
            source,
            target,
            side,
            lots,
            held,
            within,
            self._quote(source.symbol),
            self._quote(target.symbol),
            give_up,
            owners,
        )
        self._gated(found)
        return found

    def killing(self, symbol: str) -> bool:
        """Whether a kill or flatten has the orders of a symbol in hand."""
        return self._kill.covers(symbol)

    def trouble(self, symbol: str) -> str:
        """What forbids a roll in this symbol right now, and ends one that is under way; empty: nothing."""
        if self._kill.covers(symbol):
            return f"kill or flatten is at work in {symbol}: wait for its verdict"
        if not self._core.link_up:
            return f"the link to the broker is down: {self._core.link_text}"
        return self._view.opening_blocked(symbol, MANUAL)

    # -- the parts of it

    def _instrument(self, symbol: str) -> Instrument:
        found = self._core.books.instruments.get(symbol)
        if found is None:
            known = ", ".join(sorted(self._core.books.instruments)[:20])
            raise NotRolled(
                f"no instrument {symbol}; known are {known}. Both months of a roll must be configured"
            )
        return found

    @staticmethod
    def _alike(a: Instrument, b: Instrument) -> None:
        if a.symbol == b.symbol:
            raise NotRolled(f"{a.symbol} cannot be rolled to itself: name the month to go to")
        roots = root_of(a.symbol), root_of(b.symbol)
        if roots[0] != roots[1]:
            raise NotRolled(
                f"{a.symbol} and {b.symbol} are no two months of one product: {' and '.join(roots)}"
            )
        for name in ("tick", "lot", "multiplier", "currency"):
            one, other = getattr(a, name), getattr(b, name)
            if one != other:
                raise NotRolled(
                    f"{a.symbol} and {b.symbol} differ in {name} ({one} and {other}): a roll takes the same "
                    "contract in another month"
                )

    def _compared(self, *symbols: str) -> None:
        books = self._core.books
        for symbol in symbols:
            broker = self._view.broker_position(symbol)
            if broker is None:
                if not books.positions.qty(symbol) and books.positions.get(symbol).broker is None:
                    continue  # a broker that lists only what is held says nothing of this one
                self.compare()
                raise NotRolled(
                    f"{symbol} has not been compared with the broker since its last report; that is done "
                    "now: ask again in a moment"
                )
            if broker != books.positions.qty(symbol):
                raise NotRolled(
                    f"{symbol} drifts: executed {books.positions.qty(symbol)}, broker {broker}; settle that "
                    "first (adopt or flatten)"
                )

    @staticmethod
    def _lots(source: Instrument, size: Decimal | None, held: int) -> int:
        if size is None:
            return held
        try:
            lots = source.to_lots(size)
        except OffGrid as error:
            raise NotRolled(str(error)) from None
        if not 0 < lots <= held:
            raise NotRolled(
                f"{source.size(held):f} {source.symbol} are held: roll 1 to that many, not {size}"
            )
        return lots

    def _quote(self, symbol: str) -> Quote:
        quote, data = self._view.quote(symbol), self._view.data_state(symbol)
        if quote is None or quote.bid is None or quote.ask is None or data.word != "live":
            word = "missing" if quote is None else _QUOTES.get(data.word, data.word)
            raise NotRolled(
                f"the quotes of {symbol} are {word}: a roll needs both sides of both months, fresh"
            )
        return quote

    def _strategies(self, symbol: str) -> tuple[str, ...]:
        """Those that are stopped and had declared a position. Raises `NotRolled` for one that still runs and
        would trade against the roll: nobody but itself can move its intention to another month."""
        books = self._core.books
        position = books.positions.get(symbol)
        given = []
        for config in books.config.strategies:
            name = config.name
            part = books.positions.strategy_qty(name, symbol)
            known = books.strategies.get(name)
            runs = known is not None and known.state not in ("stopped", "failed")
            if runs and (part or name in position.intended):
                raise NotRolled(
                    f"{name} runs and holds or intends {symbol}, and would trade against the roll: let it "
                    f"declare the new month itself, or 'stop {name} keep' first"
                )
            if name in position.intended:
                given.append(name)
        for record in self._own(symbol):
            order = record.order
            if order.purpose is Purpose.TRADE and order.strategy not in (MANUAL, EXTERNAL):
                raise NotRolled(f"{order.id} of {order.strategy} still works in {symbol}: cancel it first")
        return tuple(given)

    def _own(self, symbol: str) -> Iterator[OrderRecord]:
        return (r for r in self._core.books.orders.working(symbol) if not r.foreign)

    def _gated(self, plan: Plan) -> None:
        core = self._core
        first = leg_order(core, plan.source, plan.side, plan.lots, plan.within, "")
        second = leg_order(core, plan.target, plan.side.opposite, plan.lots, plan.within, "")
        for leg, order, skipped in (
            ("closing", first, frozenset({"duplicate"})),
            ("opening", second, _LATER),
        ):
            lacking = self._intake.lacking(order)
            if lacking:
                raise NotRolled(lacking)
            for refusal in self._gate.preview(order, self._view):
                if refusal.control in skipped and not refusal.unsure:
                    continue
                if refusal.control == "margin" and refusal.unsure:
                    self.ask_margin(order.symbol, order.side)
                text = f"the {leg} leg would be refused by {refusal.control}: {refusal.text}"
                beside = [r.order.id for r in self._own(plan.source.symbol) if r.order.side is plan.side]
                if leg == "closing" and beside:
                    text += f"; {', '.join(beside[:4])} may close it too and counts: cancel it first"
                raise NotRolled(text)

    # -- in words

    def meaning(self, plan: Plan) -> list[str]:
        """Sentences of the question before it: what is closed and opened at about which price, what that
        costs, and what becomes of protection and of whose the position is."""
        a, b, long = plan.source, plan.target, plan.held > 0
        word = "long" if long else "short"
        out, back = (plan.closing.bid, plan.opening.ask) if long else (plan.closing.ask, plan.opening.bid)
        assert out is not None and back is not None, "both sides are there"
        size, rest = a.size(plan.lots), abs(plan.held) - plan.lots
        lines = [
            f"Close {size:f} {a.symbol} {word} at about {a.price(out):f}, then open {size:f} {b.symbol} "
            f"{word} at about {b.price(back):f}, each within {plan.within} ticks; only what is closed is "
            "opened.",
            self._cost(plan, out, back),
        ]
        if rest:
            lines.append(f"{a.size(rest):f} {a.symbol} stay.")
        lines += self._protection(plan)
        others = [(s, lots) for s, lots in plan.owners if s != MANUAL]
        if others:
            whose = ", ".join(f"{a.size(lots):+f} of {s}" for s, lots in others)
            lines.append(
                f"{whose} among them: what is closed is booked to its holder, what is opened is yours "
                f"({MANUAL})."
            )
        return lines

    def _cost(self, plan: Plan, out: int, back: int) -> str:
        a, lots = plan.source, plan.lots
        spread_a, spread_b = plan.closing.spread or 0, plan.opening.spread or 0
        half = spread_a + spread_b
        ticks = Decimal(half) / 2
        word = "tick" if ticks == 1 else "ticks"
        money = a.money(half * lots) / 2
        fees = (a.fee + plan.target.fee) * lots
        basis = a.price(back - out)
        return (
            f"It costs {ticks:f} {word} each (half of both spreads), {money:,.2f} {a.currency}, and fees of "
            f"{fees:,.2f}; {plan.target.symbol} is {basis:+f} from {a.symbol} at these prices."
        )

    def _protection(self, plan: Plan) -> Iterable[str]:
        a, b = plan.source.symbol, plan.target.symbol
        found = guards(self._core, a, plan.side)
        children = [r.order.id for r in found if r.order.parent]
        alone = [r.order.id for r in found if not r.order.parent]
        rest = [r for r in self._own(a) if r not in found]
        if children:
            named = ", ".join(children[:6])
            yield f"Orders of brackets that protect {a} ({named}) shrink to what is left of it."
        if alone:
            yield (
                f"Stops placed alone in {a} ({', '.join(alone[:6])}) STAY as they are: cancel them yourself, "
                "or they open a position where none is left."
            )
        if rest:
            yield f"Other orders in {a} go on working: {', '.join(r.order.id for r in rest[:6])}."
        yield f"NO stop or target is made for {b}: place them yourself once it is open."
