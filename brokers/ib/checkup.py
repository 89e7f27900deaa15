"""Walks through the set-up of TWS or IB Gateway, and says at each step what is wrong and how to mend it.

It sends no order: what-ifs only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Literal, NamedTuple

from brokers.ib import library, raw
from brokers.ib.adapter import IbAdapter
from brokers.ib.config import IbConfig, IbContract
from brokers.ib.contracts import Resolved
from engine.facts import AnyFact, BrokerNotice
from engine.model import NS
from engine.ports import Clock, NotSent, QueryFailed

SETTINGS: Final = "TWS: Global Configuration → API → Settings"
SPARE_ID: Final = 1_999_999_937
"""Client id for looking around while the configured one is in use."""
SAMPLE: Final = {"ES": IbContract(exchange="CME", expiry="front")}
"""Looked up where no contract is configured yet."""
DATA_WITHIN: Final = 3.0
CLOCK_OFF: Final = 2
"""Seconds between TWS's clock and ours that are worth a word; TWS tells whole ones."""


class Finding(NamedTuple):
    name: str
    state: Literal["PASS", "WARN", "FAIL"]
    text: str
    remedy: str = ""


async def checkup(
    config: IbConfig, account: str, clock: Clock, *, real_money: bool, read_only: bool = False
) -> AsyncIterator[Finding]:
    """One finding a step, up to the first that makes the rest impossible. `read_only`: for one that never
    trades there."""
    why = library.problem()
    if why:
        yield Finding("ib library", "FAIL", why)
        return
    bare = config.model_copy(update={"contracts": {}})
    adapter, told = _adapter(bare, account, clock, real_money, read_only)
    try:
        try:
            await adapter.prepare()
        except NotSent as error:
            text = str(error)
            yield _not_open(text, config)
            if "326" not in text:
                return
            spare = bare.model_copy(update={"client_id": SPARE_ID})
            adapter, told = _adapter(spare, account, clock, real_money, read_only)
            try:
                await adapter.prepare()
            except NotSent as second:
                yield _not_open(str(second), config)
                return
        await adapter.connect()
        yield Finding("ib session", "PASS", f"TWS answers on {config.host}:{config.port}; {adapter.library}")
        kind = "real" if real_money else "simulated"
        yield Finding(
            "ib account", "PASS", f"{account}, {kind} money; of {', '.join(adapter.setup.accounts)}"
        )
        async for finding in _look(adapter, config, clock, told):
            yield _for_a_shadow(finding, config) if read_only else finding
    finally:
        await adapter.close()


def _adapter(
    config: IbConfig, account: str, clock: Clock, real_money: bool, read_only: bool
) -> tuple[IbAdapter, list[AnyFact]]:
    adapter = IbAdapter(config, account, clock, real_money=real_money, read_only=read_only)
    told: list[AnyFact] = []
    adapter.bind(told.append)
    return adapter, told


def _not_open(text: str, config: IbConfig) -> Finding:
    """Which step of the log-on failed, by what was said."""
    if "326" in text:
        return Finding(
            "ib client id",
            "WARN",
            f"client id {config.client_id} is in use: by an engine that runs, or by another program",
            "where no engine of yours runs, end the other program, or give it another client id",
        )
    if "logged on for" in text or "money" in text:
        return Finding(
            "ib account", "FAIL", text, "account in the configuration; or log on as the right user"
        )
    if "lost its connection" in text:
        return Finding("ib session", "FAIL", text, "wait until TWS is connected; its window shows it")
    remedies = (
        f"start TWS or IB Gateway and log on; {SETTINGS}: Enable ActiveX and Socket Clients, Socket port "
        f"{config.port}, {config.host} among the Trusted IPs (or Allow connections from localhost only)"
    )
    return Finding("ib session", "FAIL", text, remedies)


async def _look(
    adapter: IbAdapter, config: IbConfig, clock: Clock, told: list[AnyFact]
) -> AsyncIterator[Finding]:
    """What can be seen from inside a session."""
    try:
        off = abs(await adapter.server_time() - clock.now() // NS)
        state: Literal["PASS", "WARN"] = "PASS" if off <= CLOCK_OFF else "WARN"
        yield Finding(
            "ib clock",
            state,
            f"TWS's clock and ours are {off} s apart",
            "" if state == "PASS" else "let both machines follow a time server",
        )
        values = await adapter.account_values()
        yield Finding(
            "ib figures",
            "PASS" if values.equity is not None else "WARN",
            f"net liquidation {values.equity} {values.currency}, excess liquidity {values.excess_liquidity}",
            "" if values.equity is not None else "until they are told, opening orders are refused",
        )
        known = values.day_pnl is not None
        yield Finding(
            "ib profit",
            "PASS" if known else "WARN",
            f"IB's own profit of the day is {values.day_pnl:.2f}"
            if known
            else "IB tells no profit of the day",
            "" if known else "nothing is opened without it, unless risk.broker_pnl says used or ignored",
        )
    except QueryFailed as error:
        yield Finding("ib figures", "FAIL", str(error), "look whether TWS hangs or shows a question")
        return
    found: list[Resolved] = []
    for symbol, contract in (config.contracts or SAMPLE).items():
        try:
            resolved = await adapter.setup.contract(symbol, contract, adapter.today())
        except (NotSent, QueryFailed) as error:
            yield Finding(f"ib {symbol}", "FAIL", str(error), f"ib.contracts.{symbol} in the configuration")
            continue
        adapter.take_up(resolved)
        found.append(resolved)
        warnings = adapter.setup.warnings(resolved, adapter.today())
        yield Finding(f"ib {symbol}", "WARN" if warnings else "PASS", "\n".join([resolved.told(), *warnings]))
    if found:
        yield await _orders(adapter, found[0])
        async for finding in _data(adapter, config, found, told):
            yield finding
    yield Finding(
        "ib by hand",
        "WARN",
        "two settings cannot be seen from here: order precautions, and the master client id",
        f"{SETTINGS}: Master API client ID = {config.client_id}; API → Precautions: Bypass Order Precautions "
        "for API Orders",
    )


async def _orders(adapter: IbAdapter, resolved: Resolved) -> Finding:
    """Whether TWS takes orders from us, by one that is only asked about."""
    symbol = resolved.instrument.symbol
    try:
        initial, maintenance = await adapter.setup.what_if(resolved, "BUY", resolved.instrument.lot)
    except QueryFailed as error:
        read_only = "read-only" in str(error).lower() or "[IB 321]" in str(error)
        remedy = f"{SETTINGS}: clear Read-Only API" if read_only else "look at TWS, which may show a question"
        return Finding("ib orders", "FAIL", str(error), remedy)
    does = f"needs {initial} initial, {maintenance} maintenance margin"
    if initial is not None and initial < 0:
        does = f"would free {-initial} of initial margin, because less is held short then"
    return Finding(
        "ib orders",
        "PASS" if initial is not None else "WARN",
        f"TWS takes orders; one lot of {symbol} {does}",
    )


def _for_a_shadow(finding: Finding, config: IbConfig) -> Finding:
    """What is missing for orders is not missing where none are sent; margins may be."""
    if finding.name != "ib orders" or finding.state != "FAIL":
        return finding
    known = not config.what_if and all(c.initial_margin for c in config.contracts.values())
    return Finding(
        "ib orders",
        "PASS" if known else "WARN",
        f"TWS takes none from us, and a shadow sends none ({finding.text})",
        "" if known else "nor does it tell margins then: set ib.what_if = false, and initial_margin and "
        "maintenance_margin under ib.contracts, or nothing is opened",
    )  # fmt: skip


async def _data(
    adapter: IbAdapter, config: IbConfig, found: list[Resolved], told: list[AnyFact]
) -> AsyncIterator[Finding]:
    """Whether market data come, and live."""
    waiting = {r.instrument.symbol for r in found}
    seen: set[str] = set()
    arrived = asyncio.Event()

    def take(resolved: Resolved, _: raw.Ticks) -> None:
        seen.add(resolved.instrument.symbol)
        if seen >= waiting:
            arrived.set()

    adapter.on_ticks(take)
    adapter.subscribe(sorted(waiting))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(arrived.wait(), DATA_WITHIN)
    notices = [f.text for f in told if isinstance(f, BrokerNotice)]
    for symbol in sorted(waiting):
        if symbol in seen:
            yield Finding(f"ib data {symbol}", "PASS", f"{config.market_data} quotes come")
            continue
        why = adapter.market.absent.get(symbol) or next((n for n in notices if symbol in n), "")
        yield Finding(
            f"ib data {symbol}",
            "WARN",
            why or f"no quote within {DATA_WITHIN:g} s; the market may be closed",
            "subscribe in Client Portal, Market Data Subscriptions; only one session at a time gets them",
        )
