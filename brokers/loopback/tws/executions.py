"""Executions as TWS tells them: ids of stem and revision, live reports, and requests with a filter."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from brokers.loopback.tws import times
from brokers.loopback.tws.layout import Values
from engine.model import ExecutionKey, Fill, Side

if TYPE_CHECKING:
    from brokers.loopback.tws.gateway import Gateway
    from brokers.loopback.tws.store import Store

_SIDES: Final = {Side.BUY: "BOT", Side.SELL: "SLD"}


class Execution(msgspec.Struct, kw_only=True):
    """One execution in its latest revision; `fill.qty` 0 where it was busted."""

    stem: str
    revision: int
    fill: Fill
    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    cum: int
    average: Decimal
    realized: Decimal | None
    """Profit that it realised, in the contract's currency; None for one that opened."""
    busted: bool = False

    @property
    def exec_id(self) -> str:
        return f"{self.stem}.{self.revision:02d}"


def stem_of(key: ExecutionKey) -> str:
    """The part of an execution id that stays over corrections; the same after every restart."""
    return f"{int(key.trading_day.replace('-', '')):08x}.{int(key.exec_id[1:]):08x}.01"


class Executions:
    """All executions that the gateway has booked, and which of them it remembers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.by_stem: dict[str, Execution] = {}
        """All: one that is reported again after it was forgotten has been booked all the same."""
        self._forgotten: set[str] = set()
        """Stems of those that no request lists."""
        self._stems: dict[ExecutionKey, str] = {}
        self._store: Store | None = None

    def stem(self, key: ExecutionKey) -> str:
        return self._stems.get(key) or stem_of(key)

    def add(self, execution: Execution) -> None:
        """A new execution, or a new revision of a known one."""
        self.by_stem[execution.stem] = execution
        self._stems[execution.fill.key] = execution.stem
        self._forgotten.discard(execution.stem)
        if self._store is not None:
            self._store.save_execution(execution)

    def load(self, store: Store) -> None:
        """Keeps them in a file from now on, and takes over what it has."""
        for execution in store.executions():
            self.add(execution)
        self._store = store

    def forget(self) -> None:
        """Requests list none of them any more, until one is heard of again."""
        self._forgotten.update(self.by_stem)
        if self._store is not None:
            self._store.forget_executions()

    def values(self, execution: Execution, req_id: int) -> Values:
        """Message 11."""
        gateway, fill = self._gateway, execution.fill
        listed = gateway.contracts.of(fill.symbol)
        size = listed.instrument.size
        return {
            "reqId": req_id,
            "orderId": execution.order_id,
            **listed.contract11(),
            "execId": execution.exec_id,
            "time": times.stamp(fill.ts, gateway.config.zone),
            "account": fill.key.account,
            "execExchange": listed.exchange,
            "side": _SIDES[fill.side],
            "shares": size(0 if execution.busted else fill.qty),
            "price": listed.instrument.price(fill.price),
            "permId": execution.perm_id,
            "clientId": execution.client_id,
            "liquidation": 0,
            "cumQty": size(execution.cum),
            "avgPrice": execution.average,
            "orderRef": execution.order_ref,
            "evMultiplier": Decimal(0),
            "lastLiquidity": {True: 1, False: 2, None: 0}[fill.maker],
            "pendingPriceRevision": False,
        }

    def commission(self, execution: Execution) -> Values:
        """Message 59; realised profit is "not set" for an execution that opened."""
        fill = execution.fill
        return {
            "execId": execution.exec_id,
            "commission": Decimal(0) if execution.busted else fill.fee,
            "currency": self._gateway.contracts.of(fill.symbol).instrument.currency,
            "realizedPNL": execution.realized,
            "yield": None,
            "redemptionDate": None,
        }

    def matching(self, wanted: Values) -> list[Execution]:
        """Today's executions that fit a filter, oldest first. Raises `ValueError` for a bad time."""
        gateway = self._gateway
        since = times.midnight(gateway.clock.now(), gateway.config.zone)
        if wanted["time"]:
            since = max(since, times.read(wanted["time"], gateway.config.zone)[0])
        sides = {"BUY": "BOT", "SELL": "SLD"}
        found = []
        for stem, execution in self.by_stem.items():
            if stem in self._forgotten:
                continue
            fill = execution.fill
            listed = gateway.contracts.of(fill.symbol)
            if (
                fill.ts >= since
                and wanted["clientId"] in (None, 0, execution.client_id)
                and wanted["account"] in ("", fill.key.account)
                and wanted["symbol"] in ("", listed.symbol)
                and wanted["secType"] in ("", listed.sec_type)
                and wanted["exchange"] in ("", listed.exchange)
                and sides.get(wanted["side"], wanted["side"]) in ("", _SIDES[fill.side])
            ):
                found.append(execution)
        return sorted(found, key=lambda e: (e.fill.ts, e.stem))
