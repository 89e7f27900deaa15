"""What a case in virtual time works with: its world, its notebook, and the checks that many cases share."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.drill.case import Case
from app.drill.context import DrillContext
from app.drill.limits import limits_of
from app.drill.notes import Broken, Notes, NotPossible, words
from app.drill.world import CL, ES, START, TOUCH, Plan, World
from brokers.exchange.config import ExchangeConfig
from engine.config import EngineConfig, RiskLimits
from engine.control.commands import Kill, Reset
from engine.feeds.instruments import lookup
from engine.model import NS, Instrument, Order, Side
from engine.recorder.words import Words
from engine.risk.gate import Refusal

RELEASE = 1_682_949_600 * NS
"""2023-05-01 14:00 UTC: a news release that was recorded in gold."""
BEFORE = 10 * NS
"""Time before the release at which the recording is taken up, ns."""

CASH = Decimal(1_000_000)
"""Dollars that an account of a case has at the least: its contracts cost margin."""

STEP = 0.02
"""Seconds of engine time between two looks while a case waits."""


@dataclass(slots=True)
class VirtualDrill:
    """Handed to the script of a case."""

    context: DrillContext
    case: Case
    world: World
    notes: Notes
    rng: random.Random
    limits: RiskLimits
    """The trader's limits, as configured."""

    # -- the notebook

    def did(self, text: str) -> None:
        self.notes.did(text)

    def check(self, what: str, ok: bool, saw: object, *ids: str) -> bool:
        return self.notes.check(what, ok, saw, *ids)

    def need(self, what: str, ok: bool, saw: object, *ids: str) -> None:
        self.notes.need(what, ok, saw, *ids)

    @contextlib.contextmanager
    def trouble(self, text: str) -> Iterator[None]:
        """A time in which something is wrong; it becomes a band in the timeline."""
        begin = self.notes.at()
        try:
            yield
        finally:
            self.notes.band(begin, text)

    async def until(
        self,
        what: str,
        look: Callable[[], object],
        *ids: str,
        within: float = 5.0,
        saw: Callable[[], object] | None = None,
        essential: bool = False,
    ) -> bool:
        """Waits until `look` is true, at most `within` s of engine time, and notes how long that took."""
        begin = self.notes.at()
        while not look() and self.notes.at() - begin < within:
            await self.world.sleep(STEP)
        ok, took = bool(look()), self.notes.at() - begin
        text = saw() if saw is not None else ("it did" if ok else f"not within {within:g} s")
        self.notes.check(what, ok, text, *ids, took=took)
        if essential and not ok:
            raise Broken(f"{what}: {text}")
        return ok

    # -- what many cases do

    def within_reach(self, name: str, value: int, most: int) -> int:
        """The trader's figure. Raises `NotPossible` where it is more than a drill can fill."""
        if value > most:
            raise NotPossible(f"{name} = {value:,d} is more than a drill reaches ({most:,d})")
        return value

    def depth(self, lots: int, symbol: str = "ES") -> None:
        """So many lots stand at the touch from now on, and more."""
        self.world.sizes[symbol] = max(50, 3 * lots)
        self.world.quote_all()

    async def fill(self, side: Side, qty: int, symbol: str = "ES") -> Order:
        """Trades at the touch; the case cannot go on without."""
        order, refusal = self.world.send(side, qty, symbol=symbol)
        word = "buy" if side is Side.BUY else "sell"
        self.did(f"{word} {qty} {symbol} at the market")
        if refusal is not None:
            raise Broken(f"{word} {qty} {symbol} was refused by {refusal.control}: {refusal.text}")
        for _ in range(100):
            if self.world.status(order) == "FILLED":
                return order
            await self.world.sleep(STEP)
        raise Broken(f"{word} {qty} {symbol} did not fill: {self.world.status(order)}")

    def sent_to_exchange(self) -> int:
        """Orders that ever arrived at the exchange."""
        return len(self.world.exchange.audit(self.world.config.account).orders)

    def asks(
        self, side: Side, qty: int, limit: int | None = None, **fields: Any
    ) -> tuple[Order, Refusal | None]:
        """Asks for an order, and notes its terms."""
        order, refusal = self.world.send(side, qty, limit, **fields)
        who = "" if order.strategy == "manual" else f" for {order.strategy}"
        self.did(f"ask to {Words(self.world.plan.instruments).order(order)}{who}")
        return order, refusal

    def passes(self, text: str, side: Side, qty: int, limit: int | None = None, **fields: Any) -> Order:
        """An order that the gate must let through."""
        order, refusal = self.asks(side, qty, limit, **fields)
        saw = "it passed" if refusal is None else f"refused by {refusal.control}: {refusal.text}"
        self.check(text, refusal is None, saw, order.id)
        return order

    def refuses(
        self,
        control: str | tuple[str, ...],
        text: str,
        side: Side,
        qty: int,
        limit: int | None = None,
        **fields: Any,
    ) -> Refusal | None:
        """An order that this control (or one of these) must refuse, with nothing on the wire."""
        controls = (control,) if isinstance(control, str) else control
        before = self.sent_to_exchange()
        order, refusal = self.asks(side, qty, limit, **fields)
        if refusal is None:
            self.check(text, False, "the order passed", order.id)
            return None
        nothing = self.sent_to_exchange() == before
        saw = f"{refusal.control}: {refusal.text}" + ("" if nothing else "; but something left")
        self.check(text, refusal.control in controls and nothing, saw, order.id)
        return refusal

    async def status(self, order: Order, wanted: str, within: float = 5.0) -> bool:
        """An order must come to this status."""
        return await self.until(
            f"{order.id} becomes {wanted}",
            lambda: self.world.status(order) == wanted,
            order.id,
            within=within,
            saw=lambda: self.world.status(order),
        )

    def agree(self, symbol: str = "ES") -> bool:
        """Our executions and the exchange's must add up to the same position."""
        ours, theirs = self.world.position(symbol), self.world.venue_position(symbol)
        text = f"ours {ours:+d}, the exchange's own books {theirs:+d}"
        return self.check(f"our position of {symbol} is the exchange's", ours == theirs, text)

    def exchange_orders_known(self) -> None:
        """Every order at the exchange must stand in our book, once."""
        audit = self.world.exchange.audit(self.world.config.account)
        ours = [o for o in audit.orders if o.order_id is not None]
        unknown = [
            o.order_id for o in ours if self.world.engine.core.books.orders.get(o.order_id or "") is None
        ]
        twice = [o.order_id for o in ours if o.copies != 1]
        self.check(
            "every order at the exchange is ours and arrived once",
            not unknown and not twice,
            f"{len(ours)} of our orders; unknown: {words(unknown)}; sent twice: {words(twice)}",
        )

    async def proven_flat(self, within: float = 30.0) -> bool:
        """The kill procedure must end with proof, and the exchange's own books must agree."""
        kill = self.world.engine.kill
        flat = await self.until(
            "the procedure ends and says flat, confirmed twice",
            lambda: kill.progress.verdict.startswith("flat, confirmed"),
            within=within,
            saw=lambda: kill.progress.verdict or f"still running; last: {words(kill.progress.steps[-1:])}",
        )
        audit = self.world.exchange.audit(self.world.config.account)
        held = {s: q for s, q in audit.positions.get(self.world.config.account, {}).items() if q}
        working = [o.order_id or o.broker_id for o in audit.orders if not o.status.is_closed]
        empty = not held and not working
        self.check(
            "the exchange's own books are flat with nothing working",
            empty,
            f"held {held or 'nothing'}, working {working or 'nothing'}",
        )
        return flat and empty

    async def kill(self, reason: str = "drill", *, flatten: bool = True, wait: float = 60.0) -> None:
        """The operator presses the kill switch; the answer must be good."""
        self.did(f"kill switch: {'halt, cancel all and flatten' if flatten else 'halt and cancel all'}")
        answer = await self.world.command(Kill(flatten=flatten, reason=reason), wait)
        self.check("the kill switch's last answer is good", answer.ok, answer.text)

    async def reset(self) -> None:
        """A person lifts the halt."""
        answer = await self.world.command(Reset(scope="halt"))
        self.did(f"reset the halt: {answer.text}")
        await self.world.sleep(1)


Script = Callable[[VirtualDrill], Awaitable[None]]


def plan_of(case: Case, context: DrillContext) -> Plan:
    """The world of a case: the trader's settings, less strategies, with all limits but its own set wide."""
    own = case.settings
    base = context.settings.engine_config()
    values = {name: getattr(base, name) for name in EngineConfig.model_fields}
    values["risk"] = limits_of(base.risk, own["keep"], own["limits"])
    values["strategies"] = ()
    values["connections"] = ()
    # The drill's contracts are in dollars, and so are its accounts.
    values["currency"], values["fx"] = "USD", {}
    # Where a person has to enable trading after a loss, a drill has none to wait for.
    values["link"] = base.link.model_copy(update={"resume": "agreed"})
    values["journal"] = base.journal.model_copy(
        update={"durability": "process", "min_free_mb": 0, "ballast_mb": 0}
    )
    for section, changes in own["config"].items():
        now = values[section]
        values[section] = (
            now.model_copy(update=changes)
            if hasattr(now, "model_copy") and isinstance(changes, dict)
            else changes
        )
    instruments: tuple[Instrument, ...] = tuple(own["instruments"] or (ES, CL))
    touch, start = dict(own["touch"] or TOUCH), START
    if own["recorded"]:
        if context.data is None:
            raise NotPossible("it takes the recorded day: name its folder with --data")
        instruments, touch, start = (lookup("GCM3"),), {}, RELEASE - BEFORE
    return Plan(
        directory=context.place(case.id),
        config=EngineConfig.model_validate(values),
        venue=ExchangeConfig.model_validate({"follow_calendars": False, **own["venue"]}),
        cash=Decimal(own["cash"] if own["cash"] is not None else max(context.settings.paper.cash, CASH)),
        instruments=instruments,
        touch=touch,
        start=start,
        seed=context.seed,
    )
