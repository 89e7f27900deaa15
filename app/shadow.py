"""Shadow trading at start: what can be shadowed, the exchange that stands in, and what was served of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app import ibrun
from app.promotion import evidence
from app.served import record_of
from app.settings import Settings
from brokers.exchange.config import ExchangeConfig, FaultConfig


def nothing_to_shadow(settings: Settings) -> str:
    """Why stage = shadow cannot be started; empty where it can, or another stage is meant."""
    kind, _, where = settings.feed.source.partition(":")
    if settings.stage != "shadow" or ibrun.is_ib(kind) or (kind == "exchange" and where):
        return ""
    return (
        f"shadow needs a broker whose market data it can look at, and feed.source is {settings.feed.source}: "
        "there is nothing to shadow; set feed.source = ib, ib-loopback or exchange:ADDRESS, or stage = paper"
    )


def shadow_exchange(settings: Settings) -> ExchangeConfig:
    """The exchange that a shadow trades at: as configured for paper, without its faults, and no faster than
    the broker lets one be."""
    exchange = settings.paper.exchange
    limit = exchange.message_limit
    if ibrun.is_ib(settings.feed.source):
        limit = min(limit, settings.ib.message_limit)
    return exchange.model_copy(update={"faults": FaultConfig(), "message_limit": limit})


def days_served(settings: Settings, state: Path, env: Mapping[str, str]) -> int:
    """Days that count as served in stage shadow: those that the gate above would count."""
    return len(record_of(evidence(settings, state, env)).days("shadow", settings.promotion.day_hours))
