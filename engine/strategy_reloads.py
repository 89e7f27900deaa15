"""Reloads of single strategies: a new file is loaded and checked beside the old one before it takes over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.control.commands import Answer
from engine.core import Core
from engine.strategy.host import StrategyHost
from engine.strategy.reports import State


@dataclass(slots=True)
class _Reload:
    reply: Callable[[Answer], None]
    phase: Literal["loading", "replacing", "starting"] = "loading"


class Reloads:
    """`keep(name)`: what the strategy leaves at its next end is kept; `start(name)` starts it."""

    def __init__(
        self,
        core: Core,
        hosts: Mapping[str, StrategyHost],
        keep: Callable[[str], None],
        start: Callable[[str], None],
    ) -> None:
        self._core = core
        self._hosts = hosts
        self._keep = keep
        self._start = start
        self._under_way: dict[str, _Reload] = {}

    def begin(self, name: str, reply: Callable[[Answer], None]) -> None:
        """Answers twice: when it has begun, and when the new file runs or what is wrong is known."""
        host = self._hosts.get(name)
        if host is None:
            known = ", ".join(sorted(self._hosts)) or "none"
            reply(Answer(ok=False, text=f"no strategy {name}; known are {known}"))
        elif name in self._under_way:
            reply(Answer(ok=False, text=f"{name} is being reloaded already"))
        elif host.state not in ("running", "paused"):
            text = f"{name} is {host.state}: start it, and its file is loaded anew"
            reply(Answer(ok=False, text=text))
        else:
            self._under_way[name] = _Reload(reply)
            reply(Answer(ok=True, text=f"{name} is being loaded and checked", final=False))
            host.reload(lambda wrong: self._loaded(host, wrong))

    def _loaded(self, host: StrategyHost, wrong: str) -> None:
        reload = self._under_way.get(host.name)
        if reload is None:
            host.drop_fresh()  # it was stopped meanwhile
        elif wrong:
            text = f"{host.name} was not reloaded: {wrong}"
            if host.live:
                text += "; what was loaded before runs on"
            self._core.log("warning", text, component="strategy", status="NOT_RELOADED")
            self._end(host.name, ok=False, text=text)
        else:
            reload.phase = "replacing"
            self._keep(host.name)
            host.replace()

    def _end(self, name: str, *, ok: bool, text: str) -> None:
        self._under_way.pop(name).reply(Answer(ok=ok, text=text))

    def under_way(self, name: str) -> bool:
        return name in self._under_way

    def call_off(self, name: str) -> bool:
        """A person stops it: nothing takes over. False where no reload was under way."""
        if name not in self._under_way:
            return False
        self._hosts[name].drop_fresh()
        self._end(name, ok=False, text=f"{name} was stopped before its new file ran")
        return True

    def call_off_all(self) -> None:
        for name in list(self._under_way):
            self.call_off(name)

    def on_state(self, name: str, state: State, reason: str) -> None:
        """A strategy has gone over to another state, and what it left is dealt with."""
        reload = self._under_way.get(name)
        if reload is None:
            return
        if state == "stopped" and reload.phase == "replacing":
            reload.phase = "starting"
            self._core.clock.call_soon(self._go_on, name)
        elif state in ("stopped", "failed"):
            self._hosts[name].drop_fresh()
            self._end(name, ok=False, text=f"{name} was stopped while it was reloaded: {reason}")
        elif state in ("running", "paused") and reload.phase == "starting":
            self._end(name, ok=True, text=f"{name} runs its new file")

    def _go_on(self, name: str) -> None:
        if name in self._under_way and not self._hosts[name].live:
            self._start(name)
