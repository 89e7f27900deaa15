"""Questions to TWS and their answers: each within a time, to its end mark, and failed where that did not
come.

Some answers bear the question's number, others do not. Of the latter only one is under way at a time, and
after one that was given up the next answer is taken only when no second end mark follows the first: it may
be the late end of the former.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

from brokers.ib import codes
from brokers.ib.pacing import Lane, Pacer
from brokers.ib.raw import (
    Details,
    End,
    Error,
    Execution,
    OpenOrder,
    Position,
    Raw,
    Rule,
    Status,
    Summary,
    Time,
)
from engine.model import NS
from engine.ports import Clock, NotSent, QueryFailed

_UNTAGGED: Final = frozenset({"orders", "positions", "completed"})
_LATE_END: Final = NS // 4


class Question:
    """One question under way."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.parts: list[Raw] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(QueryFailed(reason))


class Questions:
    """`within`: ns that one question may take, waiting for its turn included."""

    def __init__(self, clock: Clock, within: int) -> None:
        self._clock = clock
        self.within = within
        self._asked: dict[Hashable, Question] = {}
        self._locks: dict[Hashable, asyncio.Lock] = {}
        self._owed: set[Hashable] = set()
        """Untagged questions that were given up: their end may still come."""

    async def ask(self, what: str, key: Hashable, pacer: Pacer, send: Callable[[], None]) -> list[Raw]:
        """Sends, and returns what came up to the end mark. Raises `QueryFailed`, never an empty answer."""
        deadline = self._clock.mono() + self.within
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                return await self._ask(what, key, pacer, send, deadline)
        finally:
            if not lock.locked() and key not in _UNTAGGED:
                self._locks.pop(key, None)

    async def tell(self, what: str, pacer: Pacer, send: Callable[[], None]) -> None:
        """Sends what has no answer, in its turn. Raises `QueryFailed`, `NotSent`."""
        await self._turn(what, pacer, self._clock.mono() + self.within)
        pacer.take(Lane.QUESTIONS)
        send()

    async def _turn(self, what: str, pacer: Pacer, deadline: int) -> None:
        """Waits until a question may be sent."""
        while wait := pacer.wait(Lane.QUESTIONS):
            if self._clock.mono() + wait > deadline:
                raise QueryFailed(f"{what} was not asked: no message was free for it in time")
            await self._clock.sleep(wait)

    async def _ask(
        self, what: str, key: Hashable, pacer: Pacer, send: Callable[[], None], deadline: int
    ) -> list[Raw]:
        await self._turn(what, pacer, deadline)
        question = self._asked[key] = Question(what)
        timer = self._clock.call_later(
            max(deadline - self._clock.mono(), 0),
            question.fail,
            f"no answer to {what} within {self.within / NS:g} s",
        )
        try:
            pacer.take(Lane.QUESTIONS)
            send()
            await question.done
            if key in self._owed:
                self._owed.discard(key)
                await self._clock.sleep(_LATE_END)
            return question.parts
        except NotSent as error:
            raise QueryFailed(f"{what} was not asked: {error}") from error
        except QueryFailed:
            if key in _UNTAGGED:
                self._owed.add(key)
            raise
        finally:
            timer.cancel()
            if self._asked.get(key) is question:
                del self._asked[key]

    # -- what comes in

    def take(self, message: Raw) -> None:
        """Every message passes here; those that belong to a question are noted."""
        if isinstance(message, End):
            question = self._asked.get(message.what if message.what in _UNTAGGED else message.req_id)
            if question is not None:
                question.finish()
        elif isinstance(message, OpenOrder):
            if message.what_if and message.margins[0] is not None:
                self._one(message.order_id, message)
            elif message.what_if:
                self._note(message.order_id, message)  # it may answer again, with figures
            else:
                self._note("completed" if message.client_id == -1 else "orders", message)
        elif isinstance(message, Status):
            self._note("orders", message)
        elif isinstance(message, Position):
            self._note("positions", message)
        elif isinstance(message, Execution | Summary | Details):
            self._note(message.req_id, message)
        elif isinstance(message, Rule):
            self._one(("rule", message.number), message)
        elif isinstance(message, Time):
            self._one("time", message)

    def error(self, error: Error) -> bool:
        """An error with a question's number ends it. True where it did."""
        question = self._asked.get(error.req_id) if error.req_id > 0 else None
        if question is None:
            return False
        if not codes.is_warning(error.code):
            question.fail(f"{question.what} was refused: {error.text} [IB {error.code}]")
        return True

    def fail_all(self, reason: str) -> None:
        """The line is gone: nothing under way will be answered."""
        for question in list(self._asked.values()):
            question.fail(reason)
        self._owed.clear()

    def _note(self, key: Hashable, message: Raw) -> None:
        question = self._asked.get(key)
        if question is not None:
            question.parts.append(message)

    def _one(self, key: Hashable, message: Raw) -> None:
        question = self._asked.get(key)
        if question is not None:
            question.parts.append(message)
            question.finish()
