"""Commands in words for a running gateway, so that a person or another process can make things go wrong."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from typing import Any, Final, get_type_hints

import msgspec

from brokers.loopback.tws.gateway import Gateway

_OF: Final[dict[str, tuple[str, ...]]] = {
    "": (
        *("error", "lose_server", "restore_server", "farm", "drop_clients", "go_silent", "speak_again"),
        *("reissue_ids", "restart", "manual_order", "end_market_data", "correct", "bust", "drip", "pretend"),
    ),
    "script.": (
        *("drop", "duplicate", "delay", "overtake", "hold", "shuffle", "error_before", "cut_at", "release"),
        *("ignore", "refuse", "cut_on", "clear"),
    ),
    "exchange.": (
        *("set_state", "set_limits", "cancel_order", "manual_trade", "drop_link", "restore_link"),
        *("faults.arm", "faults.clear"),
    ),
}


class Control:
    """Runs lines such as `script.drop execution skip=1` or `exchange.set_state ES HALTED`. Arguments are
    words in order, or `name=word`; what they have to be follows from the method's own signature."""

    def __init__(self, gateway: Gateway) -> None:
        self._methods: dict[str, Callable[..., Any]] = {}
        for prefix, names in _OF.items():
            for name in names:
                target: Any = gateway
                for step in f"{prefix}{name}".split("."):
                    target = getattr(target, step)
                self._methods[prefix + name] = target

    def help(self) -> list[str]:
        """One line for each command."""
        lines = []
        for name, method in self._methods.items():
            about = (inspect.getdoc(method) or "").split("\n")[0]
            words = [
                p.name.upper() if p.default is p.empty else f"[{p.name}={p.default}]"
                for p in inspect.signature(method).parameters.values()
            ]
            lines.append(f"{' '.join([name, *words])}: {about}")
        return lines

    def run(self, line: str) -> dict[str, object]:
        """`{"done": line}`, or `{"error": text}` with what to say instead. Raises nothing."""
        try:
            words = shlex.split(line)
            if not words:
                return {"done": ""}
            if words[0] == "help":
                return {"help": self.help()}
            self._call(words[0], words[1:])
        except (ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
            return {"error": str(error)}
        return {"done": line.strip()}

    def _call(self, name: str, words: list[str]) -> None:
        method = self._methods.get(name)
        if method is None:
            raise ValueError(f"there is no command {name!r}; say help")
        hints = get_type_hints(method)
        parameters = inspect.signature(method).parameters
        order = [p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
        given: dict[str, Any] = {}
        for place, word in enumerate(words):
            key, equals, value = word.partition("=")
            if not equals or key not in parameters:
                if place >= len(order):
                    raise ValueError(f"{name} takes no more than {len(order)} words; others are name=word")
                key, value = order[place], word
            try:
                given[key] = msgspec.convert(value, hints[key], strict=False)
            except msgspec.ValidationError as error:
                raise ValueError(f"{name}: {key} cannot be {value!r}: {error}") from error
        try:
            inspect.signature(method).bind(**given)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from error
        method(**given)
