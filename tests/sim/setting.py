"""What a seed makes of the exchange's and the engine's settings: all that is legal for a user to choose."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from brokers.exchange.config import AccountConfig, ExchangeConfig, FaultConfig
from engine.config import EngineConfig, JournalConfig, RiskLimits, StrategyConfig
from engine.sim.faults import EXCHANGE
from engine.sim.options import Options

ACCOUNT = "PAPER"


def exchange_config(options: Options, rng: random.Random) -> ExchangeConfig:
    """The venue's rules and line, with the faults that it produces by itself."""
    faults = {name: options.rate(ours) for ours, name in EXCHANGE.items() if options.rate(ours)}
    return ExchangeConfig(
        order_latency_ms=options.latency_ms * 0.7,
        order_jitter_ms=options.latency_ms * 0.3,
        report_latency_ms=options.latency_ms * 0.7,
        report_jitter_ms=options.latency_ms * 0.3,
        query_timeout=2.0,
        bust_reopens=rng.random() < 0.3,
        pending_reports=rng.random() < 0.3,
        separate_queries=rng.random() < 0.3,
        suspend_on_halt=rng.random() < 0.3,
        halted_accepts=rng.random() < 0.3,
        cancel_on_disconnect=rng.random() < 0.2,
        oco_on_partial=rng.choice(("reduce", "cancel")),
        faults=FaultConfig(
            **faults,
            delay_ms=10 ** rng.uniform(2, 3.5),
            late_ack_ms=10 ** rng.uniform(2, 4),
            bust_ms=10 ** rng.uniform(1.5, 4),
        ),
    )


def account_config(rng: random.Random) -> AccountConfig:
    return AccountConfig(cash=Decimal(rng.choice((300_000, 1_000_000))))


def risk_limits(rng: random.Random) -> RiskLimits:
    """Tight enough to be met."""
    return RiskLimits(
        max_position=12,
        max_order_qty=6,
        daily_loss_pct=Decimal(str(rng.choice((1, 2, 50)))),
        max_drawdown_pct=Decimal(str(rng.choice((1, 5, 50)))),
    )


class EngineSettings:
    """The engine's configuration; the operator changes its limits."""

    def __init__(self, options: Options, rng: random.Random) -> None:
        self.limits = risk_limits(rng)
        self._policies: dict[str, Any] = {
            "on_manual_trade": rng.choice(("warn", "adopt", "halt", "halt")),
            "on_drift": rng.choice(("warn", "adopt", "halt", "halt")),
            "on_unknown_order": rng.choice(("adopt", "adopt", "halt", "warn")),
        }
        own = random.Random(f"settings {options.seed}")
        self._policies["orders_every"] = own.choice((0.0, 0.0, 1.0))
        self._orders: dict[str, Any] = {
            # Where it is shorter than the time between two comparisons, silence alone has to be judged.
            "answer_after": own.choice((1.0, 2.0, 5.0)),
            "partial_fill": rng.choice(("let_ride", "let_ride", "cancel_remainder")),
            "remainder_after": rng.choice((0.0, 2.0, 10.0)),
            "replace": rng.choice(("in_place", "in_place", "cancel_then_new")),
            "on_stop": rng.choice(("cancel", "keep")),
            "brackets": random.Random(f"brackets {options.seed}").choice(("venue", "engine")),
        }
        self._on_stop = rng.choice(("cancel", "keep", "flatten"))
        self._every = options.order_ms / 1000

    def config(self) -> EngineConfig:
        """As a start of the engine reads it."""
        return EngineConfig.model_validate(
            {
                "account": ACCOUNT,
                "risk": self.limits,
                "reconcile": self._policies,
                "orders": self._orders,
                "screen": {"frame_rate": 2.0},
                "journal": JournalConfig(durability="process", ballast_mb=1, min_free_mb=0),
                "strategies": (
                    StrategyConfig(
                        module="tests.sim.strategies:Dice",
                        name="dice",
                        symbols=("ES", "CL"),
                        params={"every": self._every},
                    ),
                    StrategyConfig(
                        module="engine.strategy.samples.trend:Trend",
                        name="trend",
                        symbols=("ES",),
                        params={"fast": 2, "slow": 4, "size": 2},
                        bar_seconds=3.0,
                        on_stop=self._on_stop,
                    ),
                ),
            }
        )
