"""The desk: orders, three-source positions, risk and alarms at once, as far as the terminal has room."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container

from app.desk.panes.alerts import AlertsPane
from app.desk.panes.health import HealthPane
from app.desk.panes.lines import HealthLine
from app.desk.panes.orders import OrdersPane
from app.desk.panes.positions import PositionsPane
from app.desk.panes.risk import RiskPane
from app.desk.sheet import Sheet


class DeskSheet(Sheet):
    """What a trader keeps open. No row is selected until a pane is chosen (Tab, or a click)."""

    def compose(self) -> ComposeResult:
        with Container(id="upper"):
            yield OrdersPane(id="orders")
        with Container(id="middle"):
            yield PositionsPane(id="positions")
            yield RiskPane(id="risk")
            yield HealthPane(id="health")
        with Container(id="lower"):
            yield AlertsPane(id="alerts")
        yield HealthLine(id="healthline")
