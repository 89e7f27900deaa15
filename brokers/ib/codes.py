"""TWS's message codes by what they mean for us. The rule behind all: no code closes an order by itself.

Read from the vendor's message-code page, from the sets in ib_async and NautilusTrader, and from reports of
users. Codes that are not here mean: no effect, show it, and ask about the order.
"""

from __future__ import annotations

from typing import Final

REFUSED: Final = frozenset(
    {103, 106, 107, 109, 110, 111, 133, 200, 201, 203, 320, 321, 322, 387, 388, 391, 434, 435, 436, 460, 463}
    | {382, 383, 384, 385, 386, 10006, 10243, 10268, 10269, 10289, 10314}
)
"""A new order was not taken, or a change of a live one failed and the order stands."""

CHANGE_FAILED: Final = frozenset({104, 105, 134, 135, 329, 2102, 10147, 10326})
"""The change failed: the order stands, or was done before. They speak of a change only while one is open."""

CANCEL_FAILED: Final = frozenset({136, 161, 10147, 10148, 10149})
"""The cancel failed; it says nothing of the order."""

NO_SUCH_ORDER: Final = frozenset({135, 10147})
"""TWS has no order with this number."""

ENDED_BY_VENUE: Final = 202
"""Cancelled, by us or by the exchange; the text holds the reason."""

MESSAGE_ONLY: Final = frozenset({399, 404, 2109, 2137, 2161, 2174, 10349})
"""Changes nothing; the text is shown."""

LINK_LOST: Final = frozenset({1100, 2110})
"""TWS has lost the server. The socket stands, and what still arrives is true."""

LINK_BACK_DATA_LOST: Final = 1101
LINK_BACK: Final = 1102
PORT_CHANGED: Final = 1300
RATE_EXCEEDED: Final = 100
"""A message was dropped, and nobody says which."""

FARM_LOST: Final = frozenset({2103, 2105, 2157})
FARM_BACK: Final = frozenset({2104, 2106, 2158})
FARM_NOTES: Final = frozenset({2107, 2108, 2119})

NO_DATA: Final = frozenset({354, 10089, 10090, 10167, 10168, 10182, 10197})
"""Market data are cut off, delayed, not subscribed, or another session has them."""


DATA_TAKEN_AWAY: Final = frozenset({10182, 10197})
"""Data that came have stopped, and do not come back without being asked for."""


def is_warning(code: int) -> bool:
    """Codes that end no request."""
    return code in MESSAGE_ONLY or 2100 <= code < 2200 or code == 10167
