"""Commands in the log: in words, without a trace of how the program writes its values."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.control import commands as c
from engine.control.wording import worded
from engine.model import OrderType, Side


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (c.SetLimit(name="ES", value="1"), "set limit ES 1"),
        (c.Kill(flatten=False, reason="operator: kill key"), "kill no flatten reason operator: kill key"),
        (c.Reset(scope="instrument", target="ES"), "reset instrument ES"),
        (c.Reload(), "reload"),
        (c.Roll(source="ESZ6", target="ESH7"), "roll ESZ6 ESH7"),
        (c.Roll(source="ESZ6", target="ESH7", size=Decimal(2), within=4), "roll ESZ6 ESH7 size 2 within 4"),
        (c.CancelAll(symbol="ES"), "cancel all ES"),
        (
            c.Submit(symbol="ES", side=Side.BUY, size=Decimal(2), limit=Decimal("5012.25"), post_only=True),
            "submit ES buy size 2 limit 5012.25 post only",
        ),
        (
            c.Submit(symbol="ES", side=Side.SELL, size=Decimal("1E+2"), type=OrderType.MARKET),
            "submit ES sell size 100 type market",
        ),
    ],
)
def test_a_command_in_words(command: c.AnyCommand, says: str) -> None:
    assert worded(command) == says
