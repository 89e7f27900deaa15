"""Faults on the wire, by rule: which message, how often, and what happens to it instead of its due."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from brokers.loopback.tws.messages import REPLY, REQUEST, Message
from engine.model import NS
from engine.ports import Clock

if TYPE_CHECKING:
    from brokers.loopback.tws.client import Client

How = Literal["fin", "rst"]
When = Literal["before", "after"]
CALLBACKS = ("open_order", "order_status", "execution", "commission", "completed_order", "position")
"""What `shuffle` mixes."""


class Rule(msgspec.Struct, kw_only=True):
    """`kind` happens to the messages called `name` (`*`: all): after `skip` of them, `times` times."""

    kind: str
    name: str
    skip: int = 0
    times: int = 1
    seconds: float = 0.0
    count: int = 0
    code: int = 0
    text: str = ""
    how: How = "rst"
    when: When = "before"
    hits: int = 0
    """How often it struck."""


class _Overtaken(msgspec.Struct):
    """A message that lets `left` others pass."""

    left: int
    put: Callable[[], None]


class Script:
    """The rules of a gateway. Names of messages are those of `messages`; an unknown one raises `ValueError`.

    Every method adds a rule and returns it; `clear` takes all away and lets out what is held.
    """

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._out: list[Rule] = []
        self._in: list[Rule] = []
        self._held: list[Callable[[], None]] = []
        self._overtaken: list[_Overtaken] = []
        self._mixed: list[Callable[[], None]] = []

    # -- what goes out

    def drop(self, name: str, *, skip: int = 0, times: int = 1) -> Rule:
        """The message is lost."""
        return self._reply(Rule(kind="drop", name=name, skip=skip, times=times))

    def duplicate(self, name: str, *, skip: int = 0, times: int = 1) -> Rule:
        """The message comes twice."""
        return self._reply(Rule(kind="duplicate", name=name, skip=skip, times=times))

    def delay(self, name: str, seconds: float, *, skip: int = 0, times: int = 1) -> Rule:
        """The message comes later; others pass it."""
        return self._reply(Rule(kind="delay", name=name, seconds=seconds, skip=skip, times=times))

    def overtake(self, name: str, by: int = 1, *, skip: int = 0, times: int = 1) -> Rule:
        """The message comes after the `by` that follow it."""
        return self._reply(Rule(kind="overtake", name=name, count=by, skip=skip, times=times))

    def hold(self, name: str, *, skip: int = 0, times: int = 1 << 30) -> Rule:
        """The message is kept until `release`."""
        return self._reply(Rule(kind="hold", name=name, skip=skip, times=times))

    def shuffle(self, window: int, *, times: int = 1 << 30) -> Rule:
        """Order callbacks leave in random order in groups of `window`; the rest waits for `release`."""
        rule = Rule(kind="shuffle", name="*", count=window, times=times)
        self._out.append(rule)
        return rule

    def error_before(self, name: str, code: int, text: str, *, skip: int = 0, times: int = 1) -> Rule:
        """An error message with the id of the order or request comes just before the message."""
        return self._reply(Rule(kind="error", name=name, code=code, text=text, skip=skip, times=times))

    def cut_at(self, name: str, how: How = "rst", when: When = "before", *, skip: int = 0) -> Rule:
        """The line ends before or after the message has left."""
        return self._reply(Rule(kind="cut", name=name, how=how, when=when, skip=skip))

    def release(self) -> None:
        """Lets out what is held, first what was held first."""
        held, self._held = self._held, []
        mixed, self._mixed = self._mixed, []
        for put in [*held, *mixed]:
            put()

    # -- what comes in

    def ignore(self, request: str, *, skip: int = 0, times: int = 1) -> Rule:
        """The request is never answered and has no effect: it hangs."""
        return self._request(Rule(kind="ignore", name=request, skip=skip, times=times))

    def refuse(self, request: str, code: int, text: str, *, skip: int = 0, times: int = 1) -> Rule:
        """The request has no effect but this error."""
        return self._request(Rule(kind="refuse", name=request, code=code, text=text, skip=skip, times=times))

    def cut_on(self, request: str, how: How = "rst", when: When = "after", *, skip: int = 0) -> Rule:
        """The line ends when the request comes: before it has an effect, or after (its answer is lost)."""
        return self._request(Rule(kind="cut", name=request, how=how, when=when, skip=skip))

    def clear(self) -> None:
        """No rules any more; what was held goes out."""
        self._out.clear()
        self._in.clear()
        self.release()

    # -- for the line

    @property
    def idle(self) -> bool:
        """True where every message just goes out."""
        return not (self._out or self._overtaken)

    def outgoing(self, client: Client, name: str, order_id: int, put: Callable[[], None]) -> None:
        """Decides what happens to a message; `put` writes it."""
        rule = self._strike(self._out, name)
        if rule is None:
            self._put(put)
        elif rule.kind == "duplicate":
            self._put(put)
            self._put(put)
        elif rule.kind == "delay":
            self._clock.call_later(round(rule.seconds * NS), put)
        elif rule.kind == "overtake":
            self._overtaken.append(_Overtaken(rule.count, put))
        elif rule.kind == "hold":
            self._held.append(put)
        elif rule.kind == "shuffle":
            self._mixed.append(put)
            if len(self._mixed) >= rule.count:
                mixed, self._mixed = self._mixed, []
                self._rng.shuffle(mixed)
                for each in mixed:
                    each()
        elif rule.kind == "error":
            client.error(order_id, rule.code, rule.text)
            self._put(put)
        elif rule.kind == "cut":
            if rule.when == "after":
                self._put(put)
            client.cut(rule.how)

    def incoming(self, name: str) -> Rule | None:
        """The rule that strikes a request, if one does."""
        return self._strike(self._in, name)

    def _put(self, put: Callable[[], None]) -> None:
        put()
        for late in self._overtaken:
            late.left -= 1
        due = [late for late in self._overtaken if late.left <= 0]
        self._overtaken = [late for late in self._overtaken if late.left > 0]
        for late in due:
            late.put()

    @staticmethod
    def _strike(rules: list[Rule], name: str) -> Rule | None:
        for rule in rules:
            if rule.hits >= rule.times or rule.name not in ("*", name):
                continue
            if rule.kind == "shuffle" and name not in CALLBACKS:
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.hits += 1
            return rule
        return None

    def _reply(self, rule: Rule) -> Rule:
        return _known(rule, REPLY, self._out)

    def _request(self, rule: Rule) -> Rule:
        return _known(rule, REQUEST, self._in)


def _known(rule: Rule, table: Mapping[str, Message], rules: list[Rule]) -> Rule:
    if rule.name != "*" and rule.name not in table:
        raise ValueError(f"there is no message {rule.name!r}; known are {', '.join(sorted(table))}")
    rules.append(rule)
    return rule
