"""Reads the broker, has the views compared, and acts on what is found: at start, every 5 s, after every gap.

The comparison itself is `engine.reconcile`, a pure function. Positions are read before executions, so that
every fill inside the position figure is among the executions that follow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from engine.comparing import Compared, end_holds, of_another_journal, own_order
from engine.core import Core
from engine.disputed import Disputed
from engine.facts import (
    AccountValues,
    AnyFact,
    Busted,
    Corrected,
    Executed,
    Executions,
    ForeignOrder,
    OpenOrders,
    OrderReport,
    Positions,
)
from engine.model import NS, ExecutionKey, Fill
from engine.ports import QueryFailed
from engine.reconcile import (
    Action,
    Confirmer,
    Finding,
    Kind,
    ReconcileInput,
    SymbolView,
    agrees,
    reconcile,
)
from engine.reconcile_types import DIFFERENCES, in_ticks
from engine.records import Adopted, FindingSeen
from engine.view import EngineView

_OVERLAP = 60 * NS
"""Executions are asked for from this long before the moment up to which they are known: clocks differ,
repeats are free."""
_LOOK_BACK = 24 * 3600 * NS
"""How far back the first reading of a run goes at least."""
_STAYS = 3
"""Readings with one and the same difference after which fills on their way are not believed to explain it."""
_CLOSED_COMPARED = 100
"""Closed orders that take part in a comparison, newest first."""
_BLOCKING = frozenset(
    {
        Kind.UNREADABLE,
        Kind.MISSING_FILL,
        Kind.MANUAL_TRADE,
        Kind.BUSTED_FILL,
        Kind.CORRECTED_FILL,
        Kind.DRIFT,
        Kind.STALE_SNAPSHOT,
        Kind.UNKNOWN_ORDER,
    }
)
"""Findings with which trading is not enabled, unless their instrument is halted or the policy is to warn.
Orders that are being asked about do not block: their exposure counts."""
_WORDS = {
    Kind.DRIFT: "DRIFT",
    Kind.MANUAL_TRADE: "manual trade",
    Kind.MISSING_FILL: "missing fill",
    Kind.BUSTED_FILL: "busted",
    Kind.CORRECTED_FILL: "corrected",
    Kind.STALE_SNAPSHOT: "stale",
    Kind.IN_FLIGHT: "in flight",
}


class Hooks(Protocol):
    """What the reconciler asks of the engine."""

    def enable(self) -> None: ...

    def disable(self, reason: str) -> None: ...

    def halt(self, scope: Literal["account", "instrument"], target: str, code: str, reason: str) -> None: ...

    def take(self, fact: AnyFact, source: str) -> None:
        """Books a fact that a query brought."""

    def compared(self, agreed: bool, listed: OpenOrders) -> None:
        """A comparison is over; what it was with of the orders."""

    def ask(self, order_id: str) -> None:
        """Queries one order."""

    def send_cancel(self, order_id: str) -> str:
        """Cancels one order; returns why it could not be asked for."""


class Reconciler:
    """Runs rounds one at a time on the engine's thread."""

    def __init__(self, core: Core, view: EngineView, hooks: Hooks) -> None:
        self._core = core
        self._view = view
        self._hooks = hooks
        self._confirmer = Confirmer()
        self._disputed = Disputed(core, hooks.send_cancel)
        self._wanted = asyncio.Event()
        self._after_executions: dict[str, Callable[[str], None]] = {}
        self._read_to = 0
        """Venue time up to which executions were read in this run, ns; 0 before the first reading."""
        self._recovered = core.books.last_execution
        """Venue time of the newest execution that the journal held at the start, ns; 0: it held none."""
        self._differing: dict[str, tuple[int, int]] = {}
        """Symbols whose positions differed at the last reading: by how many lots, for how many readings."""
        self._all_executions = False
        """The next reading asks for every execution that the broker still lists."""
        self.words: dict[str, str] = {}
        """The word of the last comparison by symbol, for the screen."""
        self.agreed = False
        """The last comparison found the three views in agreement."""
        self.compared = Compared(core, view)
        self.rounds = 0
        self._noted: dict[tuple[str, str, str, str], None] = {}
        self._unbooked: dict[ExecutionKey, Fill] = {}
        """Executions that belong to no order of ours and wait for a second reading or a decision."""

    def poke(self) -> None:
        """A round is due now."""
        self._wanted.set()

    def executions_first(self, order_id: str, then: Callable[[str], None]) -> None:
        """Calls back once executions have been read anew, so that nothing is given up that has filled."""
        self._after_executions[order_id] = then
        self.poke()

    async def run(self) -> None:
        """Rounds until cancelled: every `reconcile.every` seconds, or when poked."""
        clock = self._core.clock
        while True:
            timer = clock.call_later(int(self._core.config.reconcile.every * NS), self._wanted.set)
            try:
                await self._wanted.wait()
            finally:
                timer.cancel()
            # Cleared before the round, so that a request made during it starts another one.
            self._wanted.clear()
            try:
                await self.round("timer")
            except Exception as error:  # noqa: BLE001 - a failed comparison is reported and comes again
                self.agreed = False
                self._core.metrics.count("reconcile_errors")
                self._core.alarm("critical", "reconcile", f"the comparison failed: {error!r}; it comes again")
            # Several gaps in a row are one reason to look, not many.
            await clock.sleep(100_000_000)

    async def round(self, why: str) -> bool:
        """One comparison. True where the three views agree and nothing is left open."""
        core = self._core
        self.rounds += 1
        core.metrics.count("reconciliations")
        waiting, self._after_executions = self._after_executions, {}
        asked, epoch, held = core.clock.now(), core.link_epoch, core.books.holds.all()
        read = await self._read(self._since(waiting))
        if core.link_epoch != epoch and not isinstance(read, str):
            # Answers from both sides of a break do not make one picture.
            read = "the link changed while the broker was read"
            self.poke()
        if isinstance(read, str):
            self.agreed = False
            self.compared.unread(read)
            core.metrics.count("reconcile_unreadable")
            core.log("warning", f"reconciliation ({why}): {read}", component="reconcile", status="UNREADABLE")
            if core.link_up:
                core.alarm(
                    "warning", "unreadable", f"the broker cannot be read: {read}; nothing is concluded"
                )
            self._after_executions = {**waiting, **self._after_executions}
            return False
        orders, positions, executions, account = read
        for code in ("unreadable", "reconcile"):
            core.clear_alarms(code)
        self._read_to = executions.as_of
        self._view.set_account(account, core.clock.mono())
        for key in executions.busted:
            self._unbooked.pop(key, None)
        findings = self._compare(asked, orders, positions, executions)
        self.compared.read(epoch)
        for finding in findings:
            self._act(finding)
        self._note(findings)
        self._disputed.look(findings, orders)
        self._widen(findings)
        for order_id, then in waiting.items():
            then(order_id)
        end_holds(core, held, findings, orders, self._hooks.halt)
        self._conclude(findings)
        self._hooks.compared(self.agreed, orders)
        return self.agreed

    def _since(self, waiting: Iterable[str]) -> int:
        """From which venue time on executions are asked for.

        What was read before in this run need not be read again. The newest execution known proves nothing
        about older ones: after an outage the stream brings the newest first, and what filled meanwhile is
        still missing; so it may be in the journal of a run that was killed then, and so it may come to an
        empty journal before the first question does.
        """
        books = self._core.books
        if self._all_executions or not (self._read_to or self._recovered):
            return 0
        if self._read_to:
            marks = [self._read_to]
            followed = [r for r in map(books.orders.get, waiting) if r is not None]
        else:
            marks = [self._recovered, self._core.clock.now() - _LOOK_BACK]
            followed = books.orders.at_venue()
        marks += [record.recorded for record in followed]
        # What waits is asked for again: an execution that is not listed a second time would not be confirmed.
        marks += [fill.ts for fill in self._waiting()]
        return max(0, min(marks) - _OVERLAP)

    def _waiting(self) -> list[Fill]:
        """The executions that still wait for a decision; one may have been reported after all."""
        knows = self._core.books.orders.knows
        self._unbooked = {key: fill for key, fill in self._unbooked.items() if not knows(key)}
        return list(self._unbooked.values())

    def _widen(self, findings: tuple[Finding, ...]) -> None:
        """A difference that nothing explains, or that stays: all executions are looked through next time."""
        differing: dict[str, tuple[int, int]] = {}
        for finding in findings:
            if finding.kind in DIFFERENCES:
                amount, reads = self._differing.get(finding.symbol, (0, 0))
                stays = amount == finding.unexplained
                differing[finding.symbol] = (finding.unexplained, reads + 1 if stays else 1)
        drift = any(f.kind is Kind.DRIFT for f in findings)
        self._all_executions = drift or any(reads >= _STAYS for _, reads in differing.values())
        self._differing = differing

    async def _read(self, since: int) -> tuple[OpenOrders, Positions, Executions, AccountValues] | str:
        adapter = self._core.adapter
        try:
            orders = await adapter.open_orders()
            positions = await adapter.positions()
            executions = await adapter.executions(since)
            account = await adapter.account_values()
        except QueryFailed as error:
            return str(error)
        return orders, positions, executions, account

    # -- the comparison

    def _compare(
        self, asked: int, orders: OpenOrders, positions: Positions, executions: Executions
    ) -> tuple[Finding, ...]:
        core, books = self._core, self._core.books
        broker = {p.symbol: p.qty for p in positions.positions}
        symbols = sorted({*broker, *(p.symbol for p in books.positions), *core.markets.by_symbol})
        for symbol in symbols:
            books.positions.confirm(symbol, broker.get(symbol, 0), positions.as_of)
        own = {
            r.order.id: r for r in (*books.orders.working(), *books.orders.recent_closed(_CLOSED_COMPARED))
        }
        for report in orders.ours:  # however many of them have ended since the broker was read
            if report.order_id not in own and (record := books.orders.get(report.order_id)) is not None:
                own[report.order_id] = record
        found = reconcile(
            ReconcileInput(
                asked=asked,
                settle=int(core.config.reconcile.settle * NS),
                policy=core.config.reconcile,
                symbols=tuple(self._view_of(s) for s in symbols),
                orders=tuple(map(own_order, own.values())),
                positions=positions,
                open_orders=orders,
                executions=executions,
                known=books.orders.knows,
                booked=books.orders.booked,
                price=lambda symbol, ticks: core.price(symbol, ticks) or in_ticks(symbol, ticks),
            )
        )
        return self._confirmer.confirm(found, positions.as_of)

    def _view_of(self, symbol: str) -> SymbolView:
        books = self._core.books
        position = books.positions.get(symbol)
        return SymbolView(
            symbol=symbol,
            intended=position.target,
            executed=position.held.qty,
            last_report=books.symbol_touched.get(symbol, 0),
            last_fill=books.last_fill.get(symbol, 0),
        )

    # -- what is done about it

    def _act(self, finding: Finding) -> None:
        match finding.kind:
            case Kind.MISSING_FILL:
                self._core.metrics.count("recovered_fills")
                self._book(finding)
            case Kind.BUSTED_FILL | Kind.CORRECTED_FILL:
                self._book(finding)
            case Kind.MANUAL_TRADE:
                self._manual(finding)
            case Kind.UNKNOWN_ORDER:
                self._unknown_order(finding)
            case Kind.STATUS_DIFFERS:
                if isinstance(finding.report, OrderReport | ForeignOrder):
                    self._hooks.take(finding.report, "open_orders")
                self._hooks.ask(finding.order_id)
            case Kind.LOST_ORDER:
                self._hooks.ask(finding.order_id)
            case Kind.DRIFT | Kind.STALE_SNAPSHOT | Kind.IN_FLIGHT:
                self._difference(finding)
            case _:
                pass

    def _book(self, finding: Finding) -> None:
        """Takes the execution, bust or correction that the stream did not bring."""
        fill = finding.fill
        assert fill is not None
        now = self._core.clock.now()
        self._core.alarm("warning", str(finding.kind), finding.text, symbol=finding.symbol)
        fact: AnyFact
        if finding.kind is Kind.BUSTED_FILL:
            fact = Busted(ts=now, key=fill.key)
        elif finding.kind is Kind.CORRECTED_FILL:
            fact = Corrected(ts=now, key=fill.key, fill=fill)
        else:
            fact = Executed(ts=fill.ts, fill=fill)
        self._hooks.take(fact, "executions")
        self.poke()

    def _manual(self, finding: Finding) -> None:
        assert finding.fill is not None
        self._unbooked[finding.fill.key] = finding.fill
        if finding.action is Action.QUERY:
            self.poke()
        elif finding.action is Action.ADOPT:
            self.book_manual(finding.symbol)
        elif finding.action is Action.HALT:
            self._halt(finding)

    def book_manual(self, symbol: str) -> int:
        """Books the executions of a symbol that belong to no order of ours (policy or operator). Returns how
        many there were."""
        fills = [fill for fill in self._unbooked.values() if fill.symbol == symbol]
        for fill in fills:
            del self._unbooked[fill.key]
            self._hooks.take(Executed(ts=fill.ts, fill=fill), "executions")
        return len(fills)

    def _unknown_order(self, finding: Finding) -> None:
        report = finding.report
        if isinstance(report, ForeignOrder) and finding.action is not Action.WARN:
            # Its exposure counts from now on, whatever the policy makes of it.
            self._hooks.take(report, "open_orders")
            if finding.action is Action.HALT:
                self._halt(finding)
        elif isinstance(report, OrderReport):
            text = finding.text + of_another_journal(self._core)
            self._hooks.halt("account", "", "unknown_order", text)

    def _difference(self, finding: Finding) -> None:
        if finding.action is Action.QUERY:
            self.poke()
        elif finding.action is Action.HALT:
            self._halt(finding)
        elif finding.action is Action.ADOPT:
            self._adopt(finding)

    def _adopt(self, finding: Finding) -> None:
        core = self._core
        market = core.markets.get(finding.symbol)
        if market is None or market.mark_twice is None:
            self._halt(finding)
            return
        record = Adopted(
            symbol=finding.symbol,
            signed=finding.unexplained,
            price=market.mark_twice // 2,
            who="policy reconcile.on_drift",
        )
        core.commit(record)
        core.alarm("critical", "adopted", f"{finding.text}; adopted by policy", symbol=finding.symbol)

    def _halt(self, finding: Finding) -> None:
        if finding.symbol:
            self._hooks.halt("instrument", finding.symbol, str(finding.kind), finding.text)
        else:
            self._hooks.halt("account", "", str(finding.kind), finding.text)

    # -- what is said about it

    def _note(self, findings: tuple[Finding, ...]) -> None:
        """Journals each finding when it appears or its action changes."""
        seen: dict[tuple[str, str, str, str], None] = {}
        for finding in findings:
            key = (str(finding.kind), finding.symbol, finding.order_id, str(finding.action))
            seen[key] = None
            if key in self._noted:
                continue
            self._core.metrics.count(f"finding.{finding.kind}")
            record = self._core.books.orders.get(finding.order_id)
            self._core.commit(
                FindingSeen(
                    code=str(finding.kind),
                    severity=finding.severity,
                    symbol=finding.symbol,
                    order_id=finding.order_id,
                    text=finding.text,
                    action=str(finding.action),
                ),
                record.order.correlation if record is not None else "",
                finding.order_id,
            )
            if finding.action is Action.WARN:
                self._core.alarm("warning", str(finding.kind), finding.text, symbol=finding.symbol)
            elif self._behind_a_halt(finding):
                self._core.alarm("critical", str(finding.kind), finding.text, symbol=finding.symbol)
        self._noted = seen
        words = dict.fromkeys(self._core.markets.by_symbol, "agree")
        words.update({p.symbol: "agree" for p in self._core.books.positions})
        for finding in findings:
            if finding.kind in _WORDS:
                words[finding.symbol] = _WORDS[finding.kind]
        self.words = words
        for symbol, word in words.items():
            halt = self._core.books.halts.instrument(symbol)
            for kind in (Kind.DRIFT, Kind.MANUAL_TRADE, Kind.STALE_SNAPSHOT):
                # What halted the instrument is over when a person has taken the halt back, not before.
                if word == "agree" and (halt is None or halt.code != str(kind)):
                    self._core.clear_alarms(str(kind), symbol)

    def _behind_a_halt(self, finding: Finding) -> bool:
        """True where the finding would halt what is halted for another reason: nobody has been told of it."""
        if finding.action is not Action.HALT and not isinstance(finding.report, OrderReport):
            return False
        halts = self._core.books.halts
        halt = halts.account()
        if halt is None and finding.symbol:
            halt = halts.instrument(finding.symbol)
        return halt is not None and halt.reason != finding.text

    def _conclude(self, findings: tuple[Finding, ...]) -> None:
        self.agreed = agrees(findings)
        if self.agreed:
            # What messages or orders may have been missed is known again.
            for code in ("gap", "stop", "protection"):
                self._core.clear_alarms(code)
        blocking = [
            f
            for f in findings
            if f.kind in _BLOCKING
            and f.action is not Action.WARN
            and not (f.symbol and self._core.books.halts.instrument(f.symbol) is not None)
        ]
        if not blocking:
            self._hooks.enable()
        elif not self._view.enabled:
            self._hooks.disable(f"not reconciled: {blocking[0].text}")
