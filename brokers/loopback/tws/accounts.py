"""Account figures as TWS tells them: values, portfolio, summary, positions, profit and loss, what-if."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from brokers.exchange.accounts import Holding
from brokers.loopback.tws import times
from brokers.loopback.tws.contracts import Listed
from brokers.loopback.tws.layout import Values
from brokers.loopback.tws.order import TwsOrder
from engine.model import NS, Fill
from engine.ports import TimerHandle

if TYPE_CHECKING:
    from brokers.loopback.tws.client import Client
    from brokers.loopback.tws.gateway import Gateway

_CENT: Final = Decimal("0.01")
_MARGINS: Final = ("InitMarginReq", "MaintMarginReq", "AvailableFunds", "ExcessLiquidity")


class Accounts:
    """Reads the exchange's books and tells subscribers; keeps realised profit of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._holdings: dict[tuple[str, str], Holding] = {}
        self._realized: dict[tuple[str, str], Decimal] = {}
        self._day_start: dict[str, Decimal] = {}
        self._timers: list[TimerHandle] = []

    def start(self) -> None:
        """Takes over what the exchange holds, and begins the day and the timers."""
        exchange = self._gateway.exchange
        self._holdings.clear()
        self._realized.clear()
        for name in self._gateway.config.accounts:
            midnight = times.midnight(self._gateway.clock.now(), self._gateway.config.zone)
            for fill in (e.fill for e in exchange.books.executions if not e.busted):
                if fill.key.account == name:
                    self.book(fill)
                    if fill.ts < midnight:
                        self._realized.clear()
            self._day_start[name] = exchange.books.account(name).equity(exchange.desk.marks)
        self._tick_values()
        self._tick_pnl()

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()

    # -- executions

    def _holding(self, account: str, symbol: str) -> Holding:
        return self._holdings.setdefault((account, symbol), Holding())

    def book(self, fill: Fill) -> Decimal | None:
        """Counts an execution; returns the profit that it realised, None where it opened."""
        account = fill.key.account
        holding = self._holding(account, fill.symbol)
        before, was = holding.flow + holding.cost, holding.qty
        holding.apply(fill.side.sign * fill.qty, fill.price)
        gained = holding.flow + holding.cost - before
        if was * fill.side.sign >= 0:
            return None
        per_tick = self._gateway.contracts.of(fill.symbol).instrument.tick_value
        money = Decimal(gained.numerator) / Decimal(gained.denominator) * per_tick - fill.fee
        key = (account, fill.symbol)
        self._realized[key] = self._realized.get(key, Decimal(0)) + money
        return round(money, 6)

    def unbook(self, fill: Fill) -> None:
        """Takes an execution back."""
        self._holding(fill.key.account, fill.symbol).apply(-fill.side.sign * fill.qty, fill.price)

    # -- figures

    def values(self, account: str) -> list[tuple[str, str, str]]:
        """Key, value, currency of everything."""
        gateway = self._gateway
        exchange = gateway.exchange
        values = exchange.books.account(account).values(gateway.clock.now(), exchange.desk.marks)
        assert values.equity is not None and values.cash is not None
        assert values.initial_margin is not None and values.maintenance_margin is not None
        equity, cash, currency = values.equity, values.cash, values.currency
        initial, maintenance = values.initial_margin, values.maintenance_margin
        realized = sum((v for (a, _), v in self._realized.items() if a == account), Decimal(0))
        unrealized = sum((self._open_profit(account, s)[1] for s in self._symbols(account)), Decimal(0))
        funds = dict(
            zip(_MARGINS, (initial, maintenance, equity - initial, equity - maintenance), strict=True)
        )
        money: dict[str, Decimal] = {
            "NetLiquidation": equity,
            "TotalCashValue": cash,
            "SettledCash": cash,
            "AccruedCash": Decimal(0),
            "EquityWithLoanValue": equity,
            "GrossPositionValue": Decimal(0),
            "BuyingPower": max(equity - initial, Decimal(0)),
            **funds,
            **{f"Full{key}": value for key, value in funds.items()},
            **{f"LookAhead{key}": value for key, value in funds.items()},
        }
        out = [("AccountCode", account, ""), ("AccountReady", "true", ""), ("AccountType", "INDIVIDUAL", "")]
        for key, value in money.items():
            out.append((key, _money(value), currency))
            if key.endswith(_MARGINS):
                out.append((f"{key}-C", _money(value), currency))
        cushion = (equity - maintenance) / equity if equity else Decimal(0)
        out += [("Cushion", format(round(cushion, 6), "f"), ""), ("LookAheadNextChange", "0", "")]
        ledger = {
            "CashBalance": cash,
            "TotalCashBalance": cash,
            "NetLiquidationByCurrency": equity,
            "UnrealizedPnL": unrealized,
            "RealizedPnL": realized,
            "ExchangeRate": Decimal(1),
        }
        for at in ("BASE", currency):
            out.append(("Currency", at, at))
            out += [(key, _money(value), at) for key, value in ledger.items()]
        return out

    def _symbols(self, account: str) -> list[str]:
        held = self._gateway.exchange.books.account(account).positions()
        return [p.symbol for p in held]

    def _open_profit(self, account: str, symbol: str) -> tuple[int | None, Decimal, Decimal]:
        """Mark in ticks, open profit, and market value of a position."""
        instrument = self._gateway.contracts.of(symbol).instrument
        holding = self._gateway.exchange.books.account(account).holdings.get(symbol, Holding())
        mark = self._gateway.exchange.desk.marks(symbol)
        if mark is None or not holding.qty:
            return mark, Decimal(0), Decimal(0)
        cost = Decimal(holding.cost.numerator) / Decimal(holding.cost.denominator)
        value = instrument.money(holding.qty * mark)
        return mark, value - cost * instrument.tick_value, value

    def _realized_of(self, account: str, symbol: str) -> Decimal:
        return round(self._realized.get((account, symbol), Decimal(0)), 6)

    # -- positions and portfolio

    def position(self, account: str, listed: Listed, exchange: str = "") -> Values:
        """Message 61; the average cost includes the multiplier."""
        holding = self._gateway.exchange.books.account(account).holdings.get(
            listed.instrument.symbol, Holding()
        )
        return {
            "account": account,
            **listed.contract11(exchange),
            "position": listed.instrument.size(holding.qty),
            "avgCost": self._average_cost(holding, listed),
        }

    @staticmethod
    def _average_cost(holding: Holding, listed: Listed) -> Decimal:
        average = holding.average()
        if average is None:
            return Decimal(0)
        return round(average * listed.instrument.tick * listed.instrument.multiplier, 8)

    def positions(self, client: Client) -> None:
        """Message 61 for all accounts, and news of changes from then on."""
        client.positions = True
        for account in self._gateway.config.accounts:
            for symbol in self._symbols(account):
                client.send("position", self.position(account, self._gateway.contracts.of(symbol)))
        client.send("position_end", {})

    def portfolio(self, client: Client, account: str, symbols: list[str]) -> None:
        """Message 7."""
        for symbol in symbols:
            listed = self._gateway.contracts.of(symbol)
            holding = self._gateway.exchange.books.account(account).holdings.get(symbol, Holding())
            mark, profit, value = self._open_profit(account, symbol)
            contract = listed.contract11()
            contract["primaryExchange"] = contract.pop("exchange")
            client.send(
                "portfolio",
                {
                    **contract,
                    "position": listed.instrument.size(holding.qty),
                    "marketPrice": None if mark is None else listed.instrument.price(mark),
                    "marketValue": value,
                    "averageCost": self._average_cost(holding, listed),
                    "unrealizedPNL": round(profit, 6),
                    "realizedPNL": self._realized_of(account, symbol),
                    "account": account,
                },
            )

    # -- subscriptions

    def updates(self, client: Client, subscribe: bool, account: str) -> None:
        """Message 6: without a name only where there is but one account."""
        accounts = self._gateway.config.accounts
        account = account or (accounts[0] if len(accounts) == 1 else "")
        if not subscribe:
            client.account = ""
        elif account in accounts:
            client.account = account
            self._download(client, self._symbols(account))

    def _download(self, client: Client, symbols: list[str]) -> None:
        account, gateway = client.account, self._gateway
        for key, value, currency in self.values(account):
            client.send(
                "account_value", {"key": key, "value": value, "currency": currency, "account": account}
            )
        self.portfolio(client, account, symbols)
        now = times.clock_time(gateway.clock.now(), gateway.config.zone)
        client.send("account_time", {"time": now})
        client.send("account_download_end", {"account": account})

    def multi(self, client: Client, values: Values) -> None:
        """Message 76."""
        account = values["account"] or self._gateway.config.accounts[0]
        if account not in self._gateway.config.accounts:
            client.error(values["reqId"], 321, f"Error validating request: account {account} is not here")
            return
        client.multis[values["reqId"]] = (account, values["model"])
        self._tell_multi(client, values["reqId"], ended=True)

    def _tell_multi(self, client: Client, req_id: int, *, ended: bool) -> None:
        account, model = client.multis[req_id]
        for key, value, currency in self.values(account):
            client.send(
                "account_multi",
                {
                    "reqId": req_id,
                    "account": account,
                    "model": model,
                    "key": key,
                    "value": value,
                    "currency": currency,
                },
            )
        if ended:
            client.send("account_multi_end", {"reqId": req_id})

    def summary(self, client: Client, values: Values) -> None:
        """Message 62. Tags as a list; `$LEDGER:ALL` for the figures by currency."""
        client.summaries[values["reqId"]] = values["tags"].split(",")
        self._tell_summary(client, values["reqId"])
        client.send("summary_end", {"reqId": values["reqId"]})

    def _tell_summary(self, client: Client, req_id: int) -> None:
        tags = client.summaries[req_id]
        ledger = any(tag.startswith("$LEDGER") for tag in tags)
        for account in self._gateway.config.accounts:
            seen: set[tuple[str, str]] = set()
            for key, value, currency in self.values(account):
                of_ledger = currency == "BASE" or (key, "BASE") in seen
                seen.add((key, currency))
                if key in tags or (ledger and of_ledger):
                    client.send(
                        "summary",
                        {
                            "reqId": req_id,
                            "account": account,
                            "tag": key,
                            "value": value,
                            "currency": currency,
                        },
                    )

    def pnl(self, client: Client, values: Values) -> None:
        """Message 92."""
        client.pnls[values["reqId"]] = (values["account"], None)
        self._tell_pnl(client, values["reqId"])

    def pnl_single(self, client: Client, values: Values) -> None:
        """Message 94."""
        listed = self._gateway.contracts.by_id(values["conId"] or 0)
        if listed is None:
            client.error(values["reqId"], 200, "No security definition has been found for the request")
            return
        client.pnls[values["reqId"]] = (values["account"], listed)
        self._tell_pnl(client, values["reqId"])

    def _tell_pnl(self, client: Client, req_id: int) -> None:
        account, listed = client.pnls[req_id]
        if account not in self._gateway.config.accounts:
            client.error(req_id, 321, f"Error validating request: account {account!r} is not here")
            del client.pnls[req_id]
            return
        exchange = self._gateway.exchange
        if listed is None:
            profits = [self._open_profit(account, s)[1] for s in self._symbols(account)]
            equity = exchange.books.account(account).equity(exchange.desk.marks)
            client.send(
                "pnl_value",
                {
                    "reqId": req_id,
                    "dailyPnL": round(equity - self._day_start[account], 6),
                    "unrealizedPnL": round(sum(profits, Decimal(0)), 6),
                    "realizedPnL": sum(
                        (round(v, 6) for (a, _), v in self._realized.items() if a == account), Decimal(0)
                    ),
                },
            )
            return
        symbol = listed.instrument.symbol
        mark, profit, value = self._open_profit(account, symbol)
        realized = self._realized_of(account, symbol)
        client.send(
            "pnl_single_value",
            {
                "reqId": req_id,
                "position": listed.instrument.size(exchange.books.account(account).position(symbol)),
                "dailyPnL": round(profit + realized, 6),
                "unrealizedPnL": round(profit, 6),
                "realizedPnL": realized,
                "value": None if mark is None else value,
            },
        )

    # -- news

    def changed(self, account: str, symbol: str) -> None:
        """A fill: everybody who listens hears of it."""
        gateway = self._gateway
        for client in list(gateway.clients.values()):
            if client.positions:
                client.send("position", self.position(account, gateway.contracts.of(symbol)))
            if client.account == account:
                self._download(client, [symbol])
            for req_id, (name, _) in client.multis.items():
                if name == account:
                    self._tell_multi(client, req_id, ended=False)
            for req_id in client.summaries:
                self._tell_summary(client, req_id)

    def _tick_values(self) -> None:
        gateway = self._gateway
        for client in list(gateway.clients.values()):
            if client.account and gateway.server_up:
                self._download(client, self._symbols(client.account))
            for req_id in client.summaries if gateway.server_up else ():
                self._tell_summary(client, req_id)
        delay = round(gateway.config.account_interval * NS)
        self._timers[:1] = [gateway.clock.call_later(delay, self._tick_values)]

    def _tick_pnl(self) -> None:
        gateway = self._gateway
        for client in list(gateway.clients.values()):
            for req_id in list(client.pnls) if gateway.server_up else ():
                self._tell_pnl(client, req_id)
        delay = round(gateway.config.pnl_interval * NS)
        self._timers[1:2] = [gateway.clock.call_later(delay, self._tick_pnl)]

    # -- what-if

    def what_if(self, order: TwsOrder, listed: Listed) -> dict[str, Any]:
        """Margins and commission of an order that is not placed: the position that it would lead to."""
        exchange, instrument = self._gateway.exchange, listed.instrument
        account = exchange.books.account(order.account)
        equity = account.equity(exchange.desk.marks)
        before = account.margins()
        held = account.position(order.symbol)
        lots = abs(held + order.side.sign * order.qty) - abs(held)
        rate = account.rate(instrument) or Decimal(1)
        change = (lots * instrument.initial_margin * rate, lots * instrument.maintenance_margin * rate)
        fee = instrument.fee * order.qty
        return {
            "initMarginBefore": before[0],
            "maintMarginBefore": before[1],
            "equityWithLoanBefore": equity,
            "initMarginChange": change[0],
            "maintMarginChange": change[1],
            "equityWithLoanChange": Decimal(0),
            "initMarginAfter": before[0] + change[0],
            "maintMarginAfter": before[1] + change[1],
            "equityWithLoanAfter": equity,
            "commission": fee,
            "minCommission": None,
            "maxCommission": None,
            "commissionCurrency": instrument.currency,
        }


def _money(value: Decimal) -> str:
    return format(value.quantize(_CENT), "f")
