"""Instruments that tests of exchange and adapters share: a plain one, and one that may go below zero."""

from __future__ import annotations

from decimal import Decimal

from engine.model import Instrument

ES = Instrument(
    symbol="ES",
    venue="SIM",
    asset_class="equity",
    tick=Decimal("0.25"),
    multiplier=Decimal(50),
    initial_margin=Decimal(12_000),
    maintenance_margin=Decimal(11_000),
    fee=Decimal("2.25"),
)
CL = Instrument(
    symbol="CL",
    venue="SIM",
    asset_class="energy",
    tick=Decimal("0.01"),
    multiplier=Decimal(1000),
    nonpositive_price=True,
    initial_margin=Decimal(6_000),
    fee=Decimal("2.50"),
)
