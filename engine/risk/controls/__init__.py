"""The controls, one small file each, and the set of them that gate and loop share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from engine.risk.control import Control
from engine.risk.controls.contract_end import ContractEnd
from engine.risk.controls.daily_loss import DailyLoss
from engine.risk.controls.drawdown import Drawdown
from engine.risk.controls.duplicate import Duplicates
from engine.risk.controls.exposure import ClassExposure, GrossExposure, NetExposure
from engine.risk.controls.flatten_quantity import FlattenQuantity
from engine.risk.controls.instruments import AllowedInstruments
from engine.risk.controls.loop_health import LoopHealth
from engine.risk.controls.margin import Margin
from engine.risk.controls.market_state import MarketStateGate
from engine.risk.controls.max_position import MaxPosition
from engine.risk.controls.order_rate import OrderRate
from engine.risk.controls.order_size import OrderNotional, OrderQuantity
from engine.risk.controls.price_sanity import PriceSanity
from engine.risk.controls.self_match import SelfMatch
from engine.risk.controls.spread import SpreadBreaker
from engine.risk.controls.stale_data import StaleData
from engine.risk.controls.storms import ErrorRate, Executions, RejectStorm
from engine.risk.controls.strategy_limits import StrategyLoss, StrategyPosition, StrategyWorking
from engine.risk.controls.trading_state import TradingState
from engine.risk.controls.validity import Validity
from engine.risk.controls.working import MaxWorking
from engine.risk.view import RiskView
from engine.risk.worst import WorstCase

C = TypeVar("C", bound=Control)
Gated = tuple[Control, dict[str, str], dict[str, str]]
"""A control with where it keeps opening orders back (`holds`, `broken`) at hand: the gate looks at all of
them with every order."""


class ControlSet:
    """All controls in the order in which the gate asks them, and those that apply to each kind of order."""

    def __init__(self, controls: Sequence[Control]) -> None:
        self.all = tuple(controls)
        names = [c.name for c in self.all]
        if len(set(names)) != len(names):
            raise ValueError(f"two controls have one name: {names}")
        self.by_name = dict(zip(names, self.all, strict=True))
        self.for_opening = tuple(c for c in self.all if not isinstance(c, FlattenQuantity))
        self.for_reducing = tuple(c for c in self.for_opening if not c.opening_only)
        self.again = tuple(c for c in self.for_opening if c.again)
        self.gates_opening = _gates(self.for_opening)
        self.gates_reducing = _gates(self.for_reducing)
        self.for_flatten = tuple(c for c in self.all if c.on_flatten)
        self.gates_flatten = _gates(self.for_flatten)
        self.charged = tuple(c for c in self.all if _overrides(c, "approved"))
        self._fills = tuple(c for c in self.all if _overrides(c, "on_fill"))
        self._rejects = tuple(c for c in self.all if _overrides(c, "on_reject"))
        self._errors = tuple(c for c in self.all if _overrides(c, "on_error"))
        self.rate = self.one(OrderRate)
        self.health = self.one(LoopHealth)

    def one(self, kind: type[C]) -> C:
        """The control of this class. Raises `LookupError` where the set has none."""
        for control in self.all:
            if isinstance(control, kind):
                return control
        raise LookupError(f"the set has no {kind.__name__}")

    def on_fill(self, strategy: str, symbol: str, view: RiskView) -> None:
        """An execution of this strategy was booked for the first time."""
        for control in self._fills:
            control.on_fill(strategy, symbol, view)

    def on_reject(self, strategy: str, symbol: str, reason: str, view: RiskView) -> None:
        """The broker refused an order or a replace."""
        for control in self._rejects:
            control.on_reject(strategy, symbol, reason, view)

    def on_error(self, source: str, view: RiskView) -> None:
        """Adapter, feed or a strategy failed at something."""
        for control in self._errors:
            control.on_error(source, view)


def _gates(controls: Sequence[Control]) -> tuple[Gated, ...]:
    return tuple((c, c.holds, c.broken) for c in controls)


def _overrides(control: Control, method: str) -> bool:
    return getattr(type(control), method) is not getattr(Control, method)


def standard_controls() -> ControlSet:
    """A fresh set of all controls, cheap and most telling first."""
    worst = WorstCase()
    return ControlSet(
        (
            TradingState(),
            LoopHealth(),
            Validity(),
            AllowedInstruments(),
            ContractEnd(),
            MarketStateGate(),
            OrderQuantity(),
            OrderRate(),
            MaxWorking(),
            Duplicates(),
            FlattenQuantity(),
            StaleData(),
            PriceSanity(),
            SpreadBreaker(),
            SelfMatch(),
            MaxPosition(),
            OrderNotional(),
            DailyLoss(),
            Drawdown(),
            Margin(worst),
            GrossExposure(worst),
            NetExposure(worst),
            ClassExposure(worst),
            StrategyPosition(),
            StrategyWorking(),
            StrategyLoss(),
            RejectStorm(),
            ErrorRate(),
            Executions(),
        )
    )
