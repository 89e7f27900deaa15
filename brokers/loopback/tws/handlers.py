"""Which room answers which request: a table from names to functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from brokers.loopback.tws.client import Client
from brokers.loopback.tws.layout import Values
from engine.model import NS

if TYPE_CHECKING:
    from brokers.loopback.tws.gateway import Gateway


def _forget(name: str) -> Callable[[Gateway, Client, Values], object]:
    return lambda _, client, values: getattr(client, name).pop(values["reqId"], None)


def _executions(gateway: Gateway, client: Client, values: Values) -> None:
    try:
        found = gateway.executions.matching(values)
    except ValueError as error:
        client.error(values["reqId"], 321, f"Error validating request: {error}")
        return
    for execution in found:
        client.send("execution", gateway.executions.values(execution, values["reqId"]))
        client.send("commission", gateway.executions.commission(execution))
    client.send("execution_end", {"reqId": values["reqId"]})


def _contract_details(gateway: Gateway, client: Client, values: Values) -> None:
    found = gateway.contracts.find(values)
    if not found:
        client.error(values["reqId"], 200, "No security definition has been found for the request")
        return
    for listed in found:
        details = gateway.contracts.details(listed, gateway.clock.now())
        client.send("contract", {"reqId": values["reqId"], **details})
    client.send("contract_end", {"reqId": values["reqId"]})


def _market_rule(gateway: Gateway, client: Client, values: Values) -> None:
    steps = gateway.contracts.rule(values["rule"] or 0)
    if steps is None:
        client.error(-1, 322, f"Error processing request: market rule {values['rule']} does not exist")
        return
    client.send("rule", {"rule": values["rule"], "increments": steps})


HANDLERS: Final[dict[str, Callable[[Gateway, Client, Values], object]]] = {
    "market_data": lambda g, c, v: g.market.subscribe(c, v),
    "cancel_market_data": _forget("ticks"),
    "cancel_order": lambda g, c, v: g.trading.cancel(c, v["orderId"]),
    "open_orders": lambda g, c, _: g.trading.open_orders(c),
    "account_updates": lambda g, c, v: g.accounts.updates(c, v["subscribe"], v["account"]),
    "executions": _executions,
    "ids": lambda g, c, _: c.send("next_valid_id", {"orderId": g.trading.book.next_valid_id(c.client_id)}),
    "contract_details": _contract_details,
    "log_level": lambda *_: None,
    "auto_open_orders": lambda g, c, v: g.trading.bind_manual_orders(c, v["bind"]),
    "all_open_orders": lambda g, c, _: g.trading.all_open_orders(c),
    "managed_accounts": lambda g, c, _: c.send("accounts", {"accounts": ",".join(g.config.accounts)}),
    "history": lambda g, c, v: g.market.history(c, v),
    "cancel_history": _forget("bars"),
    "current_time": lambda g, c, _: c.send("time", {"time": g.clock.now() // NS}),
    "real_time_bars": lambda g, c, v: g.market.real_time_bars(c, v),
    "cancel_real_time_bars": _forget("bars"),
    "global_cancel": lambda g, *_: g.trading.cancel_all(),
    "market_data_type": lambda _, c, v: setattr(c, "data_type", v["type"]),
    "positions": lambda g, c, _: g.accounts.positions(c),
    "account_summary": lambda g, c, v: g.accounts.summary(c, v),
    "cancel_account_summary": _forget("summaries"),
    "cancel_positions": lambda _, c, __: setattr(c, "positions", False),
    "account_updates_multi": lambda g, c, v: g.accounts.multi(c, v),
    "cancel_account_updates_multi": _forget("multis"),
    "market_rule": _market_rule,
    "pnl": lambda g, c, v: g.accounts.pnl(c, v),
    "cancel_pnl": _forget("pnls"),
    "pnl_single": lambda g, c, v: g.accounts.pnl_single(c, v),
    "cancel_pnl_single": _forget("pnls"),
    "tick_by_tick": lambda g, c, v: g.market.subscribe_each(c, v),
    "cancel_tick_by_tick": _forget("tick_by_tick"),
    "completed_orders": lambda g, c, v: g.trading.completed_orders(c, v["apiOnly"]),
}
