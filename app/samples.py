"""The sample strategies by name; without anything heavy, so that `--help` can say which run."""

from __future__ import annotations

from typing import Final

MEAN_REVERSION: Final = "meanrev"
TREND: Final = "trend"
CLASSES: Final[dict[str, str]] = {
    MEAN_REVERSION: "engine.strategy.samples.meanrev:MeanReversion",
    TREND: "engine.strategy.samples.trend:Trend",
}
DEFAULTS: Final = (
    f"Without strategies in the configuration, the samples trade on paper: {MEAN_REVERSION} and {TREND} on "
    f"the synthetic market and\nib-loopback, {MEAN_REVERSION} on a recording and on an exchange process. An "
    "account at a broker, and live, get none."
)
"""Which sample runs where, for a person; `app.defaults` does it."""
