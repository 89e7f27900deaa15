"""The first minutes of a session: which accounts there are, which contracts are meant, what they need in
margin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from brokers.ib import raw
from brokers.ib.config import IbConfig, IbContract
from brokers.ib.contracts import Resolved, choose, resolve, rule_of, wanted
from brokers.ib.idmark import IdMark
from brokers.ib.pacing import Pacer
from brokers.ib.questions import Questions
from brokers.ib.reads import Send
from brokers.ib.terms import OrderTerms, Wanted
from engine.model import NS
from engine.ports import NotSent, QueryFailed

PAPER_PREFIX: Final = "D"
"""Accounts of simulated money begin with it (DU, DF …)."""
SOON_DAYS: Final = 10


class Setup:
    """`real_money`: what the user means; the account's own name must agree."""

    def __init__(
        self,
        config: IbConfig,
        account: str,
        real_money: bool,
        questions: Questions,
        pacer: Pacer,
        number: Callable[[], int],
        send: Send,
    ) -> None:
        self._config = config
        self._account = account
        self._real_money = real_money
        self._questions = questions
        self._pacer = pacer
        self._number = number
        self._send = send
        self.accounts: tuple[str, ...] = ()
        self._next_id = 0
        self._greeted: asyncio.Future[None] | None = None
        self.refused_orders = ""
        """Why TWS takes no orders from us (read-only API), as far as a what-if has shown it."""

    def begin(self) -> None:
        self.accounts, self._next_id = (), 0
        self._greeted = asyncio.get_running_loop().create_future()

    def take(self, message: raw.Raw) -> None:
        if isinstance(message, raw.Accounts):
            self.accounts = message.names
        elif isinstance(message, raw.NextId):
            self._next_id = max(message.order_id, self._next_id)
        else:
            return
        if self.accounts and self._next_id and self._greeted is not None and not self._greeted.done():
            self._greeted.set_result(None)

    def error(self, error: raw.Error) -> bool:  # noqa: ARG002 - part of how errors are passed along
        return False

    def fail(self, reason: str) -> None:
        if self._greeted is not None and not self._greeted.done():
            self._greeted.set_exception(QueryFailed(reason))
            self._greeted.exception()  # looked at, also where nobody waits

    async def log_on(self, mark: IdMark) -> None:
        """Waits for accounts and next order number. Raises `NotSent` where the account is not the one
        meant."""
        assert self._greeted is not None
        await self._greeted
        mark.at_least(self._next_id)
        account = self._account
        if account not in self.accounts:
            raise NotSent(
                f"TWS is logged on for {', '.join(self.accounts)}, and the account to trade is "
                f"{account}; correct "
                f"account in the configuration, or log on as the right user"
            )
        if account.startswith(PAPER_PREFIX) == self._real_money:
            kind = "simulated" if account.startswith(PAPER_PREFIX) else "real"
            meant = "real" if self._real_money else "simulated"
            raise NotSent(
                f"account {account} holds {kind} money and the profile is for {meant} money; nothing is "
                f"traded until "
                f"both agree"
            )

    # -- contracts

    async def contracts(self, today: date) -> list[Resolved]:
        """Every configured symbol as exactly one contract. Raises `NotSent`, `QueryFailed`."""
        found: list[Resolved] = []
        for symbol, config in self._config.contracts.items():
            resolved = await self.contract(symbol, config, today)
            number = resolved.contract.con_id
            twin = next((r for r in found if r.contract.con_id == number), None)
            if twin is not None:
                # Its executions and positions would be booked under one of the two names, whichever that is.
                raise NotSent(
                    f"{twin.instrument.symbol} and {symbol} are the same contract at IB "
                    f"({resolved.contract.local_symbol}, number {number}); take one of them out of "
                    "ib.contracts, or name another month"
                )
            if self._config.what_if and not config.initial_margin:
                resolved = await self._with_margin(resolved)
            found.append(resolved)
        return found

    async def contract(self, symbol: str, config: IbContract, today: date) -> Resolved:
        """One symbol. Raises `NotSent` with all candidates, or `QueryFailed`."""
        try:
            parts = await self._details(symbol, wanted(symbol, config))
        except QueryFailed as error:
            if "[IB 200]" not in str(error):
                raise
            parts = []
        details = choose(symbol, config, [p for p in parts if isinstance(p, raw.Details)], today)
        rule, rules = rule_of(details, config.exchange), {}
        if rule is not None:
            rules[rule] = await self._rule(rule)
        return resolve(symbol, config, details, rules)

    async def _details(self, symbol: str, asked: Wanted) -> list[raw.Raw]:
        number = self._number()
        return await self._ask(
            f"the question for the contract of {symbol}",
            number,
            lambda: self._send(lambda wire: wire.details(number, asked)),
        )

    async def _rule(self, number: int) -> tuple[tuple[Decimal, Decimal], ...]:
        parts = await self._ask(
            f"the question for market rule {number}",
            ("rule", number),
            lambda: self._send(lambda wire: wire.send("reqMarketRule", number)),
        )
        return next((p.steps for p in parts if isinstance(p, raw.Rule)), ())

    async def _ask(self, what: str, key: Hashable, send: Callable[[], None]) -> list[raw.Raw]:
        return await self._questions.ask(what, key, self._pacer, send)

    # -- margin

    async def _with_margin(self, resolved: Resolved) -> Resolved:
        """Margins of one lot by a what-if; where IB does not say, they stay unknown and the engine
        refuses."""
        try:
            initial, maintenance = await self.what_if(resolved, "BUY", resolved.instrument.lot)
        except QueryFailed as error:
            self.refused_orders = str(error)
            return resolved
        if initial is None or initial <= 0:
            return resolved
        instrument = msgspec.structs.replace(
            resolved.instrument,
            initial_margin=initial,
            maintenance_margin=max(maintenance or initial, Decimal(0)),
            margin_known=True,
        )
        return resolved._replace(instrument=instrument)

    async def needed(self, resolved: Resolved, action: str, lots: int) -> Decimal:
        """Initial margin of so many more lots, by the configuration, else by an order that is only asked
        about. Raises `QueryFailed`; an answer without a figure, or with none above zero (what is held in
        others may set it off), says nothing of what a lot needs."""
        symbol = resolved.instrument.symbol
        configured = self._config.contracts.get(symbol)
        if configured is not None and configured.initial_margin:
            return configured.initial_margin * lots
        initial, _ = await self.what_if(resolved, action, resolved.instrument.size(lots))
        if initial is None or initial <= 0:
            raise QueryFailed(f"IB says that {lots} more lots of {symbol} would need {initial}")
        return initial

    async def what_if(
        self, resolved: Resolved, action: str, qty: Decimal
    ) -> tuple[Decimal | None, Decimal | None]:
        """Change of initial and maintenance margin by a market order, account currency; None: IB does not
        say.
        Raises `QueryFailed` when it does not answer or refuses (read-only API)."""
        number = self._number()
        terms = OrderTerms(
            order_id=number,
            contract=resolved.contract,
            ref="",
            account=self._account,
            action=action,
            qty=qty,
            type="MKT",
            tif="DAY",
            what_if=True,
        )
        parts = await self._ask(
            f"the what-if for {resolved.instrument.symbol}",
            number,
            lambda: self._send(lambda wire: wire.place(terms)),
        )
        answers = [p.margins for p in parts if isinstance(p, raw.OpenOrder)]
        return answers[-1] if answers else (None, None)

    @staticmethod
    def warnings(resolved: Resolved, today: date) -> list[str]:
        """What a person should know about a contract's end."""
        ends = resolved.instrument.ends
        if ends is None:
            return []
        day = datetime.fromtimestamp(ends // NS, UTC).date()
        days = (day - today).days
        if days > SOON_DAYS:
            return []
        text = (
            f"{resolved.instrument.symbol} is {resolved.contract.local_symbol}, whose last safe day is {day} "
            f"({days} days)"
        )
        if day != resolved.last_day:
            return [text]
        return [
            f"{text}; one that delivers must be closed before its first notice day, which may be earlier: "
            f"set ib.contracts.{resolved.instrument.symbol}.notice_days, or IB liquidates"
        ]
