"""Market data of TWS: subscriptions that survive a new session, and a plain word where data are not live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from brokers.ib import codes, raw
from brokers.ib.config import IbConfig
from brokers.ib.contracts import Resolved
from brokers.ib.reads import Send
from engine.model import NS
from engine.ports import NotSent

OnTicks = Callable[[Resolved, raw.Ticks], None]
LIVE_KINDS = (1, 2)
AGAIN: Final = 30 * NS
"""After which data that were taken away are asked for again."""


class MarketData:
    """`on_ticks` gets the latest of a subscription, on the engine's thread. Delayed data never pass as live:
    without `ib.market_data = delayed` they are dropped and said."""

    def __init__(
        self,
        config: IbConfig,
        resolved: Mapping[str, Resolved],
        number: Callable[[], int],
        send: Send,
        notice: Callable[[str, str], None],
    ) -> None:
        self.on_ticks: OnTicks | None = None
        self.absent: dict[str, str] = {}
        """Symbols without usable data, with the reason."""
        self._config = config
        self._resolved = resolved
        self._number = number
        self._send = send
        self._notice = notice
        self._wanted: dict[str, None] = {}
        self._symbols: dict[int, str] = {}
        self._barred: set[int] = set()
        self.farm_lost = False
        self._cut_off: dict[str, int] = {}
        """Symbols whose data were taken away, with the monotonic ns at which they are asked for again."""

    def subscribe(self, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            if symbol not in self._resolved:
                raise NotSent(f"{symbol} is no contract of this session; name it in ib.contracts")
        fresh = [symbol for symbol in symbols if symbol not in self._wanted]
        self._wanted.update(dict.fromkeys(fresh))
        self._ask(fresh)

    def watch(self, symbols: Sequence[str], *, up: bool) -> None:
        """`subscribe`, now where the session stands, else as soon as it does."""
        self._wanted.update(dict.fromkeys(symbols))
        if up:
            self.resubscribe()

    def resubscribe(self) -> None:
        """After a new session, or when TWS said that subscriptions are gone."""
        if self._wanted and not self._symbols:
            self._ask(list(self._wanted))

    def forget(self) -> None:
        """The subscriptions of the session are gone."""
        self._symbols.clear()
        self._barred.clear()
        self._cut_off.clear()

    def _ask(self, symbols: Sequence[str]) -> None:
        if not symbols:
            return
        kind = 3 if self._config.market_data == "delayed" else 1
        self._send(lambda wire: wire.send("reqMarketDataType", kind))
        for symbol in symbols:
            number, contract = self._number(), self._resolved[symbol].contract
            self._symbols[number] = symbol
            self._send(lambda wire, number=number, contract=contract: wire.market_data(number, contract))  # type: ignore[misc]

    def take(self, ticks: raw.Ticks) -> None:
        symbol = self._symbols.get(ticks.req_id)
        if symbol is None or ticks.req_id in self._barred or self.on_ticks is None:
            return
        self.absent.pop(symbol, None)
        self.on_ticks(self._resolved[symbol], ticks)

    def data_type(self, message: raw.DataType) -> None:
        """TWS says what kind of data follows."""
        symbol = self._symbols.get(message.req_id)
        if symbol is None:
            return
        if message.kind in LIVE_KINDS or self._config.market_data == "delayed":
            self._barred.discard(message.req_id)
            return
        self._barred.add(message.req_id)
        self._out(symbol, "delayed", f"{symbol}: IB sends delayed data, which are not traded on")

    def hear(self, error: raw.Error) -> None:
        """Codes about data of one symbol, or about a data farm."""
        symbol = self._symbols.get(error.req_id)
        if symbol is not None and error.code in codes.DATA_TAKEN_AWAY:
            self._cut_off.setdefault(symbol, 0)
        if symbol is not None and error.code in codes.NO_DATA | {200}:
            self._out(symbol, str(error.code), f"{symbol}: no live data: {error.text}")
        elif error.code in codes.FARM_LOST:
            self.farm_lost = True
        elif error.code in codes.FARM_BACK and self.farm_lost:
            # Ticks do not always resume by themselves after this: ask anew.
            self.farm_lost = False
            self.forget()
            self.resubscribe()

    def again(self, mono: int) -> None:
        """Now and then, with the heartbeat: data that another session had, or that were cut off, do not come
        back by themselves."""
        due = [symbol for symbol, at in self._cut_off.items() if at and at <= mono]
        for symbol in self._cut_off:
            self._cut_off[symbol] = self._cut_off[symbol] or mono + AGAIN
        for symbol in due:
            del self._cut_off[symbol]
            for number in [n for n, s in self._symbols.items() if s == symbol]:
                del self._symbols[number]
                self._send(lambda wire, number=number: wire.send("cancelMktData", number))  # type: ignore[misc]
        self._ask(due)

    def _out(self, symbol: str, code: str, text: str) -> None:
        if self.absent.get(symbol) != text:
            self.absent[symbol] = text
            self._notice(code, text)
