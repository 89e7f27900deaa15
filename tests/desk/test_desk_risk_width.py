"""The risk screen at 80 columns: what is used, of what limit; the gauge is what goes."""

from __future__ import annotations

from app.desk.screens.risk import WIDE
from app.desk.view import risk
from app.desk.view.cells import lay, longest
from engine.control.snapshot import RiskRow


def control(name: str, used: str, limit: str) -> RiskRow:
    return RiskRow(
        control=name,
        title=name.replace("_", " ").title(),
        scope="BTCUSDT-PERP",
        state="ACTIVE",
        used=used,
        limit=limit,
        ratio=0.1,
        detail="",
        action="kill",
    )


def shown(width: int, gauge: int) -> set[str]:
    rows = [
        risk.row(control("max_position", "0.005 coins", "50 contracts"), gauge),
        risk.row(control("gross", "1,241,304.06", "50,000,000"), gauge),
    ]
    columns = risk.columns(gauge)
    return {at.column.title for at in lay(columns, width, longest(columns, rows))}


def test_used_stands_beside_its_limit_at_80_columns() -> None:
    assert {"State", "Use", "Control", "Used", "Limit"} <= shown(77, WIDE)


def test_the_gauge_is_there_where_it_has_room() -> None:
    assert "Gauge" in shown(117, WIDE)
