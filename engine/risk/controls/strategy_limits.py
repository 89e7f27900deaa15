"""Limits of each strategy: its own position, its own open orders, its own loss."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from engine.config import Action, RiskLimits
from engine.model import Purpose
from engine.risk.ask import Ask, closes
from engine.risk.control import Control, Reading, Refusal, State, warns
from engine.risk.view import RiskView


class StrategyPosition(Control):
    """Worst case of what the strategy may hold. An order that closes the account's position may still open
    the strategy's own (another one holds the opposite), so reducing is judged by its own book here."""

    name = "strategy_position"
    title = "Strategy position"
    opening_only = False
    quiet = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        config = view.strategy(ask.strategy)
        if config is None or (ask.reducing and ask.purpose is Purpose.PROTECT):
            return None
        position = view.strategy_position(ask.strategy, ask.symbol)
        buy, sell = view.strategy_exposure(ask.strategy, ask.symbol)
        others = max(0, (buy if ask.sign > 0 else sell) - ask.counted)
        if ask.reducing and ask.standing is not None and ask.lots <= ask.counted:
            return None
        if closes(position, ask.sign, others + ask.lots):
            return None
        worst = position * ask.sign + others + ask.lots
        if worst <= config.max_position:
            return None
        return self.refusal(
            f"worst case {worst * ask.sign:+d} lots in {ask.symbol} for {ask.strategy}, "
            f"its limit is {config.max_position}",
            ask.strategy,
        )


class StrategyWorking(Control):
    """How many orders a strategy may have open."""

    name = "strategy_working"
    title = "Strategy orders"
    kind = "strategy"

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        config = view.strategy(ask.strategy)
        if config is None or ask.standing is not None:
            return None
        count = view.strategy_working(ask.strategy)
        if count < config.max_working:
            return None
        return self.refusal(
            f"{ask.strategy} has {count} orders open, its limit is {config.max_working}; cancel some first",
            ask.strategy,
        )

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        config = view.strategy(scope)
        if config is None:
            return self.reading(limits, scope, "ACTIVE", detail="no limits of its own")
        count, cap = view.strategy_working(scope), config.max_working
        of = (count, limits)
        if (before := self.as_before(scope, of)) is not None:
            return before
        state: State = "WARN" if warns(count, cap, limits.warn_pct) else "ACTIVE"
        reading = self.reading(limits, scope, "TRIPPED" if count > cap else state, count, cap)
        return self.keep(scope, of, reading)


class StrategyLoss(Control):
    """The strategy's own loss for the day. A trip stops it and cancels its entry orders until a person
    resets it."""

    name = "strategy_loss"
    title = "Strategy loss"
    kind = "strategy"
    latches = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        config = view.strategy(ask.strategy)
        if config is None or config.max_loss is None:
            return None
        pnl = view.strategy_pnl(ask.strategy)
        if pnl is None:
            return self.unsure(ask, f"the day's profit of {ask.strategy} is not known", ask.strategy)
        if -pnl < config.max_loss:
            return None
        return self.refusal(
            f"{ask.strategy} has lost {-pnl:,.2f} today, its limit is {config.max_loss:,f}", ask.strategy
        )

    def action(self, limits: RiskLimits) -> Action:
        return "cancel"

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        config = view.strategy(scope)
        if config is None or config.max_loss is None:
            return self.as_before(scope, None) or self.keep(
                scope, None, self.reading(limits, scope, "ACTIVE", detail="no loss limit of its own")
            )
        pnl = view.strategy_pnl(scope)
        if pnl is None:
            return self.reading(limits, scope, "UNKNOWN", None, config.max_loss, detail="profit not known")
        state: State = "ACTIVE"
        if -pnl >= config.max_loss:
            state = "TRIPPED"
        elif warns(-pnl, config.max_loss, limits.warn_pct):
            state = "WARN"
        return self.reading(limits, scope, state, max(-pnl, -pnl * 0), config.max_loss)
