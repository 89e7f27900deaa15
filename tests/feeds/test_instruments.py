"""The catalogue: roots, contract months, exact figures, and what it says of symbols that it does not have."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.feeds.errors import UnknownSymbol
from engine.feeds.instruments import Catalogue, catalogue, lookup
from engine.sessions import calendar


@pytest.mark.parametrize(
    ("symbol", "venue", "tick", "tick_value", "hours"),
    [
        ("ESH4", "CME", "0.25", "12.5", "cme_equity"),
        ("MESZ6", "CME", "0.25", "1.25", "cme_equity"),
        ("NQ", "CME", "0.25", "5", "cme_equity"),
        ("GCM3", "COMEX", "0.1", "10", "cme_metals"),
        ("CLK20", "NYMEX", "0.01", "10", "cme_energy"),
        ("ETHU3", "CME", "0.5", "25", "cme_crypto"),
        ("ZNZ5", "CBOT", "0.015625", "15.625", "cme_rates"),
        ("BTCUSDT-PERP", "BINANCE", "0.1", "0.0001", "always"),
        ("BTCUSDT", "BINANCE", "0.01", "0.0000001", "always"),
        ("XAUUSD", "OTC", "0.01", "0.01", "spot_metal"),
    ],
)
def test_figures(symbol: str, venue: str, tick: str, tick_value: str, hours: str) -> None:
    found = lookup(symbol)
    assert (found.symbol, found.venue, found.calendar) == (symbol, venue, hours)
    assert (found.tick, found.tick_value) == (Decimal(tick), Decimal(tick_value))
    assert lookup(symbol) is found


def test_every_entry_is_usable() -> None:
    for root in catalogue().roots:
        instrument = lookup(root)
        calendar(instrument.calendar)
        assert 0 < instrument.maintenance_margin <= instrument.initial_margin
        assert instrument.fee > 0 or instrument.fee_rate > 0
        assert catalogue().name(root) != root
        assert catalogue().root(root) == root
    assert {r for r in catalogue().roots if lookup(r).nonpositive_price} == {"CL", "MCL"}


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("WAT", "not in the instrument catalogue. It has ES"),
        ("es", "did you mean ES"),
        ("ESF4", "ES lists HMUZ, not F"),
        ("BTCUSDTH4", "lists no delivery months"),
        ("ESH", "not in the instrument catalogue"),
        ("", "not in the instrument catalogue"),
    ],
)
def test_unknown_symbols(symbol: str, says: str) -> None:
    with pytest.raises(UnknownSymbol, match=says):
        lookup(symbol)


def test_own_table() -> None:
    own = Catalogue({"X": {"venue": "V", "asset_class": "a", "tick": "0.5", "months": "H"}})
    assert own.lookup("XH9").tick == Decimal("0.5")
