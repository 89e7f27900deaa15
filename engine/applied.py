"""What became of a record that the books took."""

from __future__ import annotations

import msgspec

from engine.lifecycle_types import Anomaly
from engine.model import Fill
from engine.orders_record import OrderRecord
from engine.positions import Attribution


class Applied(msgspec.Struct):
    """What a record did."""

    record: OrderRecord | None = None
    """The order that it was about, after the change."""
    anomalies: tuple[Anomaly, ...] = ()
    changed: bool = True
    fill: Fill | None = None
    """An execution that was booked now, for the first time."""
    attribution: Attribution = ()
    was_closed: bool = False
    symbol: str = ""
    """Whose position changed by a bust or correction."""
    only_fee: bool = False
    """The correction told a commission and left side, quantity and price as they were."""
    halted: bool = False
    """More was executed than an order asked for, or something under an id of ours that is not known: the
    instrument is halted from now on."""
