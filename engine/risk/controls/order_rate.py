"""Order rate: token buckets for messages, one for orders and replaces, one for cancels and flattening."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from engine.config import Action, RiskLimits
from engine.model import Purpose
from engine.risk.ask import Ask
from engine.risk.bucket import TokenBucket
from engine.risk.control import Control, Reading, Refusal, State, warns
from engine.risk.view import RiskView


class OrderRate(Control):
    """Tokens are charged when the gate has approved, never for what it refused. The reserve is for cancels,
    flattening and protective orders that reduce; routine cancels leave a third of it to the emergency ones,
    so a strategy that cancels without end cannot hold up the flatten procedure. What opens or adds pays into
    the budget of its strategy too, where that has one, and is refused by that first."""

    name = "order_rate"
    title = "Order rate"
    quiet = True
    opening_only = False
    on_flatten = True

    def __init__(self) -> None:
        super().__init__()
        self._orders: TokenBucket | None = None
        self._reserve = TokenBucket(1, 1)
        self._own: dict[str, TokenBucket] = {}
        """By strategy, of those with a budget of their own."""
        self._exhausted = False

    def _buckets(self, limits: RiskLimits) -> tuple[TokenBucket, TokenBucket]:
        if self._orders is None:
            self._orders = TokenBucket(limits.order_rate, limits.order_burst)
            self._reserve = TokenBucket(limits.cancel_rate, limits.cancel_rate)
        else:
            self._orders.configure(limits.order_rate, limits.order_burst)
            self._reserve.configure(limits.cancel_rate, limits.cancel_rate)
        return self._orders, self._reserve

    @staticmethod
    def _uses_reserve(ask: Ask) -> bool:
        return ask.flatten or (ask.reducing and ask.purpose is Purpose.PROTECT)

    def _own_bucket(self, ask: Ask, view: RiskView) -> TokenBucket | None:
        """The budget of the order's strategy, where it has one and the order does not reduce."""
        config = view.strategy(ask.strategy)
        if config is None or config.order_rate is None or ask.exempt:
            return None
        bucket = self._own.get(ask.strategy)
        if bucket is None:
            bucket = self._own[ask.strategy] = TokenBucket(config.order_rate, config.order_rate)
        return bucket

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        own = self._own_bucket(ask, view)
        if own is not None and not own.ready(ask.mono):
            when = own.when(ask.mono)
            again = -((ask.mono - when) // 1_000_000)
            return self.refusal(
                f"{ask.strategy} has used up its own budget of {own.rate} messages/s; again in {again} ms",
                ask.strategy,
                retry_at=when,
            )
        orders, reserve = self._buckets(ask.limits)
        bucket = reserve if self._uses_reserve(ask) else orders
        if bucket.ready(ask.mono):
            return None
        when = bucket.when(ask.mono)
        if bucket is orders and not ask.trial:
            self._exhausted = True
            self.touched[""] = None
        return self.refusal(
            f"the budget of {bucket.rate} messages/s is used up; "
            f"again in {-((ask.mono - when) // 1_000_000)} ms",
            retry_at=when,
        )

    def approved(self, ask: Ask, view: RiskView) -> None:
        orders, reserve = self._buckets(ask.limits)
        (reserve if self._uses_reserve(ask) else orders).take(ask.mono)
        own = self._own_bucket(ask, view)
        if own is not None:
            own.take(ask.mono)
        self.touched[""] = None

    def cancel_wait(self, view: RiskView, urgent: bool) -> int:
        """Charges one cancel and returns 0, or charges nothing and returns the ns until one may go."""
        _, reserve = self._buckets(view.limits())
        # A few tokens stay for the flatten orders themselves: a thousand cancels must not starve them.
        keep = reserve.burst // 10 if urgent else reserve.burst // 3
        mono = view.mono()
        if reserve.take(mono, keep):
            return 0
        return max(1, reserve.when(mono, keep + 1) - mono)

    def action(self, limits: RiskLimits) -> Action:
        return limits.order_rate_action

    def reset(self, scope: str) -> None:
        self._exhausted = False

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        orders, _ = self._buckets(limits)
        mono = view.mono()
        used = orders.used(mono)
        # Tripped by the first message that found no token, until half of the budget is back; without this
        # gap it would flicker at the very rate of the messages.
        if self._exhausted and 2 * used <= orders.burst:
            self._exhausted = False
        state: State = "ACTIVE"
        if self._exhausted:
            state = "TRIPPED"
        elif warns(used, orders.burst, limits.warn_pct):
            state = "WARN"
        due = None
        if self._exhausted:
            due = orders.when(mono, orders.burst - orders.burst // 2)
        elif used:
            due = orders.when(mono, orders.burst)
        detail = f"{orders.burst} at once, then {orders.rate} a second"
        return self.reading(limits, scope, state, used, orders.burst, " messages", detail, due)
