"""What runs when no strategy is configured: on paper the samples, so that there is something to see."""

from __future__ import annotations

from collections.abc import Sequence

from app.samples import CLASSES, MEAN_REVERSION, TREND
from app.settings import Settings
from engine.config import StrategyConfig

LIVELY: dict[str, str | int | float | bool] = {
    "half_life": 3.0,
    "entry": 1.0,
    "stop": 8,
    "hold": 30.0,
    "rest": 1.0,
}
"""The mean reversion sample with a short memory: on the synthetic market it trades within seconds."""


def with_default_strategies(settings: Settings, symbols: Sequence[str], synthetic: bool) -> Settings:
    """The settings with samples on `symbols` where no strategy is configured; live trading gets none.

    On a recording the mean reversion sample runs as it is. On the synthetic market it is livelier, and the
    last symbol (the crypto perpetual) shows the other way to act: declared positions, from bars. An account
    at a broker gets none either, also where its money is simulated: nobody asked for orders there.
    """
    far = settings.broker != "paper" and not synthetic
    if settings.strategies or settings.profile == "live" or far or not symbols:
        return settings
    lively = LIVELY if settings.broker == "paper" else {**LIVELY, "reduce_only": False}
    if not synthetic:
        chosen = [StrategyConfig(module=CLASSES[MEAN_REVERSION], name=MEAN_REVERSION, symbols=tuple(symbols))]
    else:
        explicit = tuple(symbols[:-1]) or tuple(symbols)
        chosen = [
            StrategyConfig(
                module=CLASSES[MEAN_REVERSION], name=MEAN_REVERSION, symbols=explicit, params=lively
            )
        ]
        if len(symbols) > 1:
            chosen.append(
                StrategyConfig(
                    module=CLASSES[TREND],
                    name=TREND,
                    symbols=(symbols[-1],),
                    params={"fast": 3, "slow": 8, "margin": 2.0, "size": 5},
                    bar_seconds=1.0,
                )
            )
    return settings.model_copy(update={"strategies": tuple(chosen)})
