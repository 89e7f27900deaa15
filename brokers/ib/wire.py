"""One session of the client library, on the library's thread: it opens, sends and closes; it decides
nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from brokers.ib.library import Library, load
from brokers.ib.raw import Error, Raw, Ticks
from brokers.ib.sieve import Sieve
from brokers.ib.tap import Tap
from brokers.ib.terms import OrderTerms, Wanted
from engine.ports import NotSent

_REFUSALS: Final = {
    326: "another program is connected with client id {client}; close it, or wait until TWS has let go of it "
    "(orders can only be changed by the client id that placed them, so do not take another one)",
    502: "TWS does not answer on {host}:{port}; start it and enable its API on this port",
    503: "this TWS is too old for the client library; update it",
    507: "TWS closed the connection on {host}:{port}; is this address trusted in its API settings?",
}

_TAKEN: Final = 326

_PNL: Final = 94
_CHANGES: Final = frozenset(
    {"placeOrder", "cancelOrder", "reqGlobalCancel", "reqAutoOpenOrders", "reqOpenOrders", "exerciseOptions"}
)
"""Requests that place, change, end or take over orders."""


class ClientIdTaken(NotSent):
    """TWS has a session with this client id: of another program, or of ours that it did not see end."""


class Wire:
    """One connection, never used again once it is closed; a new one has a new `Wire`. A read-only one lets
    nothing through that could change an order, whoever hands it over; what-ifs are questions and pass."""

    def __init__(
        self, put: Callable[[Raw], None], put_ticks: Callable[[Ticks], None], *, read_only: bool = False
    ) -> None:
        self._read_only = read_only
        self._put = put
        self._tap = Tap(self._heard, put_ticks)
        self._library: Library | None = None
        self._client: Any = None
        self._sieve: Sieve | None = None
        self._refused: asyncio.Future[NotSent] | None = None
        self._where: dict[str, object] = {}

    @property
    def ticks(self) -> int:
        """Ticks that this session heard."""
        return self._tap.ticks + (self._sieve.overtaken if self._sieve is not None else 0)

    @property
    def library(self) -> str:
        """Name and version of the library in use."""
        return "" if self._library is None else f"{self._library.name} {self._library.version}"

    async def open(self, host: str, port: int, client_id: int, timeout: float) -> int:
        """Logs on within `timeout` s and returns the server's version. Raises `NotSent` with the remedy."""
        self._where = {"host": host, "port": port, "client": client_id}
        self._library = load()
        self._refused = asyncio.get_running_loop().create_future()
        client = self._client = self._library.client(self._tap)
        client.decoder.logger = self._tap.reporter
        client.decoder.handlers[_PNL] = self._tap.pnl_fields
        self._sift(client)
        logging_on = asyncio.ensure_future(client.connectAsync(host, port, client_id, timeout))
        try:
            await asyncio.wait({logging_on, self._refused}, return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done():
                raise self._refused.result()
            await logging_on
        except ConnectionRefusedError as error:
            raise NotSent(_REFUSALS[502].format(**self._where)) from error
        except (OSError, TimeoutError) as error:
            raise NotSent(
                f"TWS on {host}:{port} did not complete the log-on within {timeout:g} s ({error!r}); look "
                f"whether it shows a question, and whether the API is enabled"
            ) from error
        finally:
            if not logging_on.done():
                logging_on.cancel()
            if logging_on.cancelled() or logging_on.done():
                await asyncio.gather(logging_on, return_exceptions=True)
            if not client.isReady():
                self.close()
        return int(client.serverVersion())

    def _sift(self, client: Any) -> None:
        """Puts the sieve before the library's own reader of the socket."""
        decode = client._onSocketHasData
        self._sieve = Sieve(decode, self._tap.missed)
        client.conn.hasData -= decode
        client.conn.hasData += self._sieve.feed

    def close(self) -> None:
        """Ends the session; may be called again."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError):  # the peer was faster
                client.disconnect()

    def _heard(self, raw: Raw) -> None:
        refused = self._refused
        if isinstance(raw, Error) and raw.code in _REFUSALS and refused is not None and not refused.done():
            kind = ClientIdTaken if raw.code == _TAKEN else NotSent
            refused.set_result(kind(f"{_REFUSALS[raw.code].format(**self._where)} [{raw.code}: {raw.text}]"))
        self._put(raw)

    # -- sending

    def send(self, name: str, *arguments: Any) -> None:
        """Calls one of the client's requests by TWS's name. On a dead session nothing happens: whoever
        handed it over has been told, or will be by `Closed`. Raises `NotSent` for what a read-only session
        must not send."""
        if self._read_only and name in _CHANGES and not (name == "placeOrder" and arguments[-1].whatIf):
            raise NotSent(f"this session only looks: {name} is not sent")
        client = self._client
        if client is None or not client.isReady():
            return
        getattr(client, name)(*arguments)

    def place(self, terms: OrderTerms) -> None:
        """Sends an order or a change of one; always a fresh object, so that nothing that we hold is
        shared."""
        library = self._require()
        order = library.order(
            action=terms.action,
            totalQuantity=float(terms.qty),
            orderType=terms.type,
            tif=terms.tif,
            account=terms.account,
            orderRef=terms.ref,
            transmit=terms.transmit,
            parentId=terms.parent_id,
            outsideRth=terms.outside_rth,
            whatIf=terms.what_if,
        )
        if terms.limit is not None:
            order.lmtPrice = float(terms.limit)
        if terms.stop is not None:
            order.auxPrice = float(terms.stop)
        if terms.good_till:
            order.goodTillDate = terms.good_till
        if terms.oca_group:
            order.ocaGroup, order.ocaType = terms.oca_group, terms.oca_type
        self.send("placeOrder", terms.order_id, self._contract(terms.contract), order)

    def cancel(self, order_id: int) -> None:
        self.send("cancelOrder", order_id, "")

    def global_cancel(self) -> None:
        self.send("reqGlobalCancel")

    def details(self, req_id: int, wanted: Wanted) -> None:
        self.send("reqContractDetails", req_id, self._contract(wanted))

    def market_data(self, req_id: int, wanted: Wanted) -> None:
        self.send("reqMktData", req_id, self._contract(wanted), "", False, False, [])

    def executions(self, req_id: int, account: str) -> None:
        self.send("reqExecutions", req_id, self._require().execution_filter(acctCode=account))

    def _contract(self, wanted: Wanted) -> Any:
        return self._require().contract(
            conId=wanted.con_id,
            symbol=wanted.symbol,
            secType=wanted.sec_type,
            lastTradeDateOrContractMonth=wanted.expiry,
            exchange=wanted.exchange,
            currency=wanted.currency,
            localSymbol=wanted.local_symbol,
            tradingClass=wanted.trading_class,
            multiplier=wanted.multiplier,
        )

    def _require(self) -> Library:
        if self._library is None:
            raise NotSent("the session with TWS was never opened")
        return self._library
