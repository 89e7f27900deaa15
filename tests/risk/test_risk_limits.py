"""Limits in force: versions, what a change changes and in which direction, bounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import InstrumentLimits, RiskLimits
from engine.risk.limits import LimitsBook, LimitsRefused


def limits(**fields: Any) -> RiskLimits:
    return RiskLimits(**fields)


def test_versions_count_changes_only() -> None:
    book = LimitsBook(limits())
    assert book.replace(limits(), "ops") == ()
    assert book.version == 1
    (change,) = book.replace(limits(max_position=40), "ops")
    assert (change.key, change.old, change.new, change.effect) == ("max_position", "50", "40", "tighter")
    assert book.version == 2 and book.current.max_position == 40 and book.changed_by == "ops"


@pytest.mark.parametrize(
    ("before", "after", "key", "effect"),
    [
        ({}, {"max_position": 60}, "max_position", "wider"),
        ({}, {"spread_pause": 10.0}, "spread_pause", "wider"),
        ({}, {"spread_pause": 60.0}, "spread_pause", "tighter"),
        ({}, {"reject_window": 5.0}, "reject_window", "wider"),
        ({}, {"stale_after": 9.0}, "stale_after", "wider"),
        ({}, {"daily_loss_amount": Decimal(5)}, "daily_loss_amount", "tighter"),
        ({"daily_loss_amount": Decimal(5)}, {}, "daily_loss_amount", "wider"),
        ({}, {"daily_loss_action": "pause"}, "daily_loss_action", "wider"),
        ({}, {"collar_action": "kill"}, "collar_action", "tighter"),
        ({}, {"allowed": ("ES",)}, "allowed", "tighter"),
        ({"allowed": ("ES",)}, {}, "allowed", "wider"),
        ({"allowed": ("ES", "NQ")}, {"allowed": ("ES",)}, "allowed", "tighter"),
        ({"allowed": ("ES", "NQ")}, {"allowed": ("ES", "GC")}, "allowed", "wider"),
        ({}, {"max_gross_by_class": {"fx": Decimal(5)}}, "max_gross_by_class.fx", "tighter"),
        ({"max_gross_by_class": {"fx": Decimal(5)}}, {}, "max_gross_by_class.fx", "wider"),
        (
            {"max_gross_by_class": {"fx": Decimal(5)}},
            {"max_gross_by_class": {"fx": Decimal(6)}},
            "max_gross_by_class.fx",
            "wider",
        ),
        ({}, {"instruments": {"ES": {"max_position": 10}}}, "instruments.ES.max_position", "tighter"),
        ({}, {"instruments": {"ES": {"max_position": 70}}}, "instruments.ES.max_position", "wider"),
        ({}, {"instruments": {"ES": {"max_position": 50}}}, "instruments.ES.max_position", "other"),
        ({}, {"instruments": {"ES": {"collar_ticks": 50}}}, "instruments.ES.collar_ticks", "wider"),
        (
            {"instruments": {"ES": {"max_spread_ticks": 8}}},
            {},
            "instruments.ES.max_spread_ticks",
            "tighter",
        ),
    ],
)
def test_direction(before: dict[str, Any], after: dict[str, Any], key: str, effect: str) -> None:
    book = LimitsBook(limits(**before))
    (change,) = book.replace(limits(**after), "ops")
    assert (change.key, change.effect) == (key, effect)
    assert change.widened is (effect == "wider")


def test_one_zero_too_many_is_refused_and_changes_nothing() -> None:
    book = LimitsBook(limits(max_position=5))
    with pytest.raises(LimitsRefused, match=r"risk\.max_position: from 5 to 5000") as refused:
        book.replace(limits(max_position=5000, max_working=400), "ops")
    assert "restart" in str(refused.value)
    assert book.version == 1 and book.current.max_position == 5
    assert book.replace(limits(max_position=500), "ops")
    with pytest.raises(LimitsRefused, match=r"spread_pause"):
        book.replace(limits(max_position=500, spread_pause=0.01), "ops")
    with pytest.raises(LimitsRefused, match=r"instruments\.ES\.max_order_qty"):
        book.replace(
            limits(max_position=500, instruments={"ES": InstrumentLimits(max_order_qty=9999)}), "ops"
        )


def test_tightening_and_no_bound() -> None:
    book = LimitsBook(limits(max_position=100_000))
    assert book.replace(limits(max_position=1), "ops")
    assert LimitsBook(limits(max_position=1), max_widening=None).replace(limits(max_position=10**6), "ops")


@settings(max_examples=100, deadline=None)
@given(old=st.integers(1, 10**6), new=st.integers(1, 10**6))
def test_there_and_back_are_opposites(old: int, new: int) -> None:
    one, two = limits(max_position=old), limits(max_position=new)
    there = LimitsBook(one, max_widening=None).compare(two)
    back = LimitsBook(two, max_widening=None).compare(one)
    if old == new:
        assert there == back == ()
    else:
        assert {there[0].effect, back[0].effect} == {"wider", "tighter"}
        assert (there[0].old, there[0].new) == (back[0].new, back[0].old)


def test_every_number_has_a_direction() -> None:
    """A setting that is added later must not fall through as neither wider nor tighter."""
    base = limits()
    for key in RiskLimits.model_fields:
        value = getattr(base, key)
        if isinstance(value, int | float | Decimal):
            (change,) = LimitsBook(base).compare(base.model_copy(update={key: value * 2 or 1}))
            assert change.effect in ("wider", "tighter"), key
