"""What the engine says of an order before it is sent, as lines of the ticket."""

from __future__ import annotations

from app.desk.view import preview
from engine.control.commands import Answer


def lines(*reasons: str) -> list[str]:
    answer = Answer(ok=False, text=reasons[0], data={"refusals": "\n".join(reasons)})
    return ["".join(cell.text for cell in line) for line in preview.verdict(answer)]


def test_a_reason_is_never_cut() -> None:
    reason = "trading_state: ES is halted: " + " ".join(f"word{n}" for n in range(60))
    shown = lines(reason, "order_qty: 60 of 20")
    assert " ".join(line[2:] for line in shown[:-1]) == reason
    assert all(len(line) <= preview.WIDTH for line in shown)
    assert shown[-1] == "  and 1 more: order_qty"


def test_short_reasons_stand_below_each_other() -> None:
    assert lines("a: 1", "b: 2", "c: 3") == ["✕ a: 1", "✕ b: 2", "✕ c: 3"]
    assert (
        lines(*(f"control{n}: no" for n in range(9)))[-1]
        == "  and 4 more: control5, control6, control7, control8"
    )
