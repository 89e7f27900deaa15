"""Orders and changes as an operator asks for them: natural prices and sizes to ticks and lots, previews by
the real gate with what it would mean, then the way of every order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from engine.control.commands import Answer, Modify, Submit
from engine.core import Core
from engine.intake import Intake, Told
from engine.model import NS, Instrument, OffGrid, Order, OrderType, Replace
from engine.orders_groups import bracket, in_order
from engine.orders_record import OrderRecord
from engine.replacing import Replacer, as_changed
from engine.risk.ask import Ask, NoSuchOrder
from engine.risk.controls.margin import Margin
from engine.risk.controls.max_position import cap_of
from engine.risk.gate import Gate, Refusal
from engine.view import EngineView

MANUAL = "manual"
"""Strategy name of orders that a person places."""


class OrderDesk:
    """Runs on the engine's thread."""

    def __init__(
        self, core: Core, intake: Intake, replacer: Replacer, gate: Gate, view: EngineView, margin: Margin
    ) -> None:
        self._core = core
        self._intake = intake
        self._replacer = replacer
        self._gate = gate
        self._view = view
        self._margin = margin

    # -- new orders

    def submit(self, command: Submit, correlation: str, reply: Told) -> None:
        try:
            orders = self._orders(command, correlation)
        except OffGrid as error:
            reply(Answer(ok=False, text=str(error)))
            return
        if not command.preview:
            self._intake.submit_bracket(orders[0], orders[1:], on_answer=reply)
            return
        refusals = list(self._objections(orders[0]))
        for child in orders[1:]:
            which = "stop" if child.type is OrderType.STOP else "target"
            refusals += [Refusal(r.control, f"its {which}: {r.text}") for r in self._objections(child)]
        self._previewed(orders[0], refusals, reply)

    def _objections(self, order: Order) -> Iterable[Refusal]:
        lacking = self._intake.lacking(order)
        if lacking:
            yield Refusal("capability", lacking)
        yield from self._gate.preview(order, self._view)

    def _orders(self, command: Submit, correlation: str) -> list[Order]:
        """The entry, then the bracket's children. Raises `OffGrid` for a price or size off the grid, or for
        levels on the wrong side of one another."""
        core = self._core
        instrument = self._core.books.instruments.get(command.symbol)
        if instrument is None:
            known = ", ".join(sorted(core.books.instruments)[:20])
            raise OffGrid(f"no instrument {command.symbol}; known are {known}")
        touch = self._view.quote(command.symbol)
        arrival = None
        if touch is not None:
            arrival = touch.ask if command.side.sign > 0 else touch.bid
        policy = core.config.orders
        # A preview asks about an order that is not there yet: it uses up no id.
        new_id: Callable[[], str] = (
            (lambda: f"{MANUAL}-preview") if command.preview else lambda: core.ids.order_id(MANUAL)
        )
        entry = Order(
            id=new_id(),
            strategy=MANUAL,
            account=core.config.account,
            symbol=command.symbol,
            side=command.side,
            qty=_lots(instrument, command.size),
            type=command.type,
            limit=_ticks(instrument, "limit price", command.limit),
            stop=_ticks(instrument, "trigger price", command.stop),
            tif=command.tif,
            expire=command.expire,
            reduce_only=command.reduce_only,
            post_only=command.post_only,
            created=core.clock.now(),
            correlation=correlation,
            arrival=arrival,
            partial_fill=policy.partial_fill,
            remainder_after=int(policy.remainder_after * NS),
            replace_policy=policy.replace,
        )
        profit = _ticks(instrument, "target", command.take_profit)
        loss = _ticks(instrument, "stop", command.stop_loss)
        price = entry.limit if entry.limit is not None else entry.stop
        wrong = in_order(entry.side, arrival if price is None else price, profit, loss, instrument.price)
        if wrong and (profit is not None or loss is not None):
            raise OffGrid(wrong)
        return [entry, *bracket(entry, profit, loss, new_id)]

    # -- changes

    def modify(self, command: Modify, correlation: str, reply: Told) -> None:
        record = self._core.books.orders.get(command.order_id)
        if record is None:
            reply(Answer(ok=False, text=f"there is no open order {command.order_id}"))
            return
        instrument = self._core.books.instruments[record.order.symbol]
        life = record.life
        try:
            change = Replace(
                id="preview" if command.preview else self._core.ids.order_id(record.order.strategy),
                order_id=command.order_id,
                qty=life.qty if command.size is None else _lots(instrument, command.size),
                limit=life.limit
                if command.limit is None
                else _ticks(instrument, "limit price", command.limit),
                stop=life.stop if command.stop is None else _ticks(instrument, "trigger price", command.stop),
                correlation=correlation,
                created=self._core.clock.now(),
            )
            if record.order.emulated and change.qty != life.qty:
                raise OffGrid(
                    f"the size of {command.order_id} follows what its entry fills; change its price"
                )
            self._still_protects(record, change, instrument)
        except OffGrid as error:
            reply(Answer(ok=False, text=str(error)))
            return
        if not command.preview:
            self._replacer.replace(change, on_answer=reply)
            return
        if life.is_closed:
            reply(Answer(ok=False, text=f"{command.order_id} is {life.status} already"))
            return
        if record.held:
            order = as_changed(record.order, change)
            self._previewed(order, self._objections(order), reply)
            return
        self._previewed(change, self._gate.preview(change, self._view), reply)

    def _still_protects(self, child: OrderRecord, change: Replace, instrument: Instrument) -> None:
        """A stop or target of an entry that has not filled yet stays on its side of it: else it would close
        at once what fills. Later it may go anywhere, to lock in a profit. Raises `OffGrid`."""
        parent = self._core.books.orders.get(child.order.parent or "")
        if parent is None or parent.life.cum:
            return
        is_stop = child.order.type is OrderType.STOP
        entry = parent.life.limit if parent.life.limit is not None else parent.life.stop
        profit, loss = (None, change.stop) if is_stop else (change.limit, None)
        wrong = in_order(parent.order.side, entry, profit, loss, instrument.price)
        if wrong:
            raise OffGrid(wrong)

    # -- previews

    def _previewed(self, request: Order | Replace, refusals: Iterable[Refusal], reply: Told) -> None:
        reasons = [f"{r.control}: {r.text}" for r in refusals]
        text = "; ".join(reasons) or "the gate would let it pass"
        data = self._meaning(request)
        if reasons:
            data["refusals"] = "\n".join(reasons)
        reply(Answer(ok=not reasons, text=text, data=data))

    def _meaning(self, request: Order | Replace) -> dict[str, str]:
        """What it would do: position and its two ends if everything filled, now and then, in contracts;
        notional and margin in account currency. What is not known is left out."""
        view = self._view
        try:
            ask = Ask(request, view, trial=True)
        except NoSuchOrder:
            return {}
        instrument = ask.instrument
        if ask.blind is not None or instrument is None:
            return {}
        buy, sell = view.exposure(ask.symbol)
        ours = ask.others + ask.lots
        high, low = (ours, ask.opposite) if ask.sign > 0 else (ask.opposite, ours)
        data = {
            "currency": self._core.config.currency,
            "position": _signed(instrument, ask.position),
            "worst_now": _span(instrument, ask.position - sell, ask.position + buy),
            "worst_then": _span(instrument, ask.position - low, ask.position + high),
            "limit": f"{instrument.size(cap_of(ask.limits, ask.symbol)):f}",
            "reduces": "yes" if ask.exempt else "no",
        }
        price = ask.limit if ask.limit is not None else ask.stop
        if price is None and (reference := ask.reference(view)) is not None:
            price = reference.price
        rate = view.fx(instrument.currency)
        if price is not None and rate is not None:
            data["notional"] = f"{instrument.money(abs(price)) * ask.qty * rate:.2f}"
        used, equity = view.margin_used(), view.margin_equity()
        now, then = self._margin.outlook(ask, view)
        for name, amount in (("margin_now", now), ("margin_then", then), ("margin_used", used)):
            if amount is not None:
                data[name] = f"{amount:.2f}"
        if equity is not None:
            data["equity"] = f"{equity:.2f}"
        return data


def _lots(instrument: Instrument, size: Decimal) -> int:
    lots = instrument.to_lots(size)
    if lots <= 0:
        raise OffGrid(f"size {size} of {instrument.symbol} is not above zero")
    return lots


def _ticks(instrument: Instrument, what: str, price: Decimal | None) -> int | None:
    if price is None:
        return None
    try:
        return instrument.to_ticks(price)
    except OffGrid as error:
        raise OffGrid(f"{what}: {error}") from None


def _signed(instrument: Instrument, lots: int) -> str:
    return f"{instrument.size(lots):+f}" if lots else "0"


def _span(instrument: Instrument, low: int, high: int) -> str:
    return f"{_signed(instrument, low)} … {_signed(instrument, high)}"
