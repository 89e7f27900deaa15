"""What view and controls keep between two looks: whatever has happened, a fresh one finds the same."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.books import Books
from engine.config import EngineConfig, RiskLimits
from engine.facts import AccountValues
from engine.feeds.watchdog import Watchdog
from engine.market import Market, MarketBook
from engine.model import NS, MarketState, Order, OrderType, Quote, Side, Trade
from engine.records import Adopted, DayOpened, OrderStored
from engine.risk.ask import Ask
from engine.risk.controls import ControlSet, standard_controls
from engine.risk.limits import LimitsBook
from engine.risk.loop import RiskLoop
from engine.risk.view import Market as Rules
from engine.risk.worst import WorstCase
from engine.sessions import calendar
from engine.view import EngineView
from tests.instruments import CL, ES

START = 1_760_000_000 * NS
SYMBOLS = ("ES", "CL")


class Margins:
    """What the broker's what-if told, by symbol."""

    def __init__(self) -> None:
        self.version = 0
        self.figures: dict[str, Decimal] = {}

    def tell(self, symbol: str, figure: Decimal) -> None:
        self.figures[symbol] = figure
        self.version += 1


class Desk:
    """Books, markets, limits and a view on them that is asked again and again."""

    def __init__(self) -> None:
        self.mono, self.orders = 0, 0
        self.books = Books(EngineConfig(), [ES, CL])
        hours = calendar("always")
        self.markets = MarketBook(Market(i, hours, Watchdog(i, hours)) for i in (ES, CL))
        self.limits = LimitsBook(RiskLimits())
        self.margins = Margins()
        self.view = self.fresh()
        self.controls = standard_controls()
        self.loop = RiskLoop(self.controls)
        self.worst = WorstCase()

    def fresh(self) -> EngineView:
        clock: Any = SimpleNamespace(mono=lambda: self.mono, now=lambda: START + self.mono)
        view = EngineView(self.books, self.markets, clock, self.limits)
        view.margins, view.per_lot = self.margins, self.margins.figures.get
        view.enabled = True
        return view

    def act(self, what: str, symbol: str, n: int) -> None:
        now, apply = START + self.mono, self.books.apply
        match what:
            case "quote":
                self.markets.on_quote(Quote(symbol, now, 20_000 + n, 1, 20_001 + n, 1), now, 0)
            case "one side":
                self.markets.on_quote(Quote(symbol, now, 20_000 + n, 1, None, 0), now, 0)
            case "trade":
                self.markets.on_trade(Trade(symbol, now, 20_000 + n, 1), now)
            case "state":
                state = MarketState.HALTED if n > 3 else MarketState.OPEN
                self.markets.on_state(symbol, state, None, 20_000 + n, now)
            case "adopt":
                apply(Adopted(symbol, n, 20_000, "test"), now)
            case "order":
                side = Side.BUY if n > 0 else Side.SELL
                apply(OrderStored(order=self.order(symbol, side, abs(n) + 1)), now)
            case "day":
                apply(DayOpened("2026-11-20", Decimal(1_000_000 + n), Decimal(n)), now)
            case "confirm":
                self.books.positions.confirm(symbol, n, now)
            case "margin":
                self.margins.tell(symbol, Decimal(1_000 + n))
            case "account":
                values = AccountValues(
                    as_of=now, account="PAPER", currency="USD", initial_margin=Decimal(n), equity=Decimal(n)
                )
                self.view.set_account(values, self.mono)
            case "limits":
                gross = Decimal(20_000_000 + 1_000_000 * n)
                limits = RiskLimits(
                    max_position=n + 10,
                    warn_pct=Decimal(50 + n),
                    max_gross=gross,
                    daily_loss_pct=Decimal(20 + n),
                    max_drawdown_pct=Decimal(20 + n),
                )
                self.limits.set(limits, "test")
            case _:
                self.mono += abs(n) * NS

    def order(self, symbol: str, side: Side, qty: int) -> Order:
        self.orders += 1
        return Order(
            id=f"o-{self.orders}",
            strategy="s",
            account="PAPER",
            symbol=symbol,
            side=side,
            qty=qty,
            type=OrderType.LIMIT,
            limit=20_000,
        )


def figures(view: EngineView) -> tuple[object, ...]:
    return (
        view.total_pnl(),
        view.day_pnl(),
        view.equity(),
        view.margin_used(),
        view.margin_equity(),
        [(view.position(s), view.reference(s)) for s in SYMBOLS],
    )


def totals(worst: WorstCase) -> tuple[object, ...]:
    return (
        worst.gross,
        worst.net,
        worst.margin,
        [worst.class_gross(i.asset_class) for i in (ES, CL)],
        worst.unvalued,
        worst.unmargined,
    )


def readings(loop: RiskLoop, controls: ControlSet) -> dict[tuple[str, str], object]:
    loud = {c.name for c in controls.all if not c.quiet}
    return {
        (r.control, r.scope): (r.state, r.action, r.used, r.limit, r.unit, r.lot)
        for r in loop.readings()
        if r.control in loud and r.control != "stale_data"
    }


ACTS = ("quote", "quote", "one side", "trade", "state", "adopt", "order", "day", "confirm", "margin")
WHAT = st.tuples(
    st.sampled_from((*ACTS, "account", "limits", "wait")), st.sampled_from(SYMBOLS), st.integers(-9, 9)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WHAT, max_size=30))
def test_what_is_kept_is_what_a_fresh_look_finds(acts: list[tuple[str, str, int]]) -> None:
    desk = Desk()
    for what, symbol, n in acts:
        desk.act(what, symbol, n)
        fresh = desk.fresh()
        account = desk.view.account_read()
        if account is not None:
            fresh.set_account(account[0], desk.view.account_at)
        assert figures(desk.view) == figures(fresh), what
        for market in desk.markets.by_symbol.values():
            rules = Rules(market.state(desk.view.now()), market.low_limit, market.high_limit)
            assert desk.view.market(market.instrument.symbol) == rules, what
        worst = WorstCase()
        worst.refresh(fresh)
        desk.worst.after(Ask(desk.order(symbol, Side.BUY, 1), desk.view), desk.view)
        desk.worst.refresh(desk.view)
        assert totals(desk.worst) == totals(worst), what
        fresh.restart_peak(desk.view.peak_equity())
        desk.loop.tick(desk.view)
        controls = standard_controls()
        loop = RiskLoop(controls)
        loop.tick(fresh)
        for name in ("daily_loss", "drawdown"):  # which the loop lets trip until they are reset
            one, other = (c.by_name[name] for c in (desk.controls, controls))
            assert one.evaluate(desk.view, "") == other.evaluate(fresh, ""), (what, name)
        kept, found = readings(desk.loop, desk.controls), readings(loop, controls)
        # A margin that was above its trigger, a spread that was too wide, a trip that holds: those remember.
        for key in found:
            if key[0] not in ("margin", "spread", "daily_loss", "drawdown"):
                assert kept[key] == found[key], (what, key)


def test_the_brokers_word_alone_changes_the_worst_position() -> None:
    desk = Desk()
    desk.act("quote", "ES", 0)
    desk.loop.tick(desk.view)
    desk.act("confirm", "ES", 7)
    desk.loop.tick(desk.view)
    (worst,) = (r for r in desk.loop.readings() if (r.control, r.scope) == ("max_position", "ES"))
    assert worst.used == 7, "no quote has come since, and none may come for a long time"


def test_a_reckoning_that_failed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.act("day", "ES", 0)
    desk.act("adopt", "ES", 3)
    desk.act("quote", "ES", 0)
    before = desk.view.equity()
    desk.act("quote", "ES", 5)

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(desk.books, "profit", fails)
        with pytest.raises(ZeroDivisionError):
            desk.view.equity()
    assert desk.view.equity() == desk.fresh().equity() != before
