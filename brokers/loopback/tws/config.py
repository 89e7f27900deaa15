"""Settings of the loopback gateway: who may log on, what it allows, and how TWS it behaves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from brokers.loopback.tws.framing import MAX_VERSION, MIN_VERSION
from engine.section import Section


class TwsConfig(Section):
    """How the gateway behaves towards its clients."""

    accounts: tuple[str, ...] = ("DU1234567",)
    """Accounts behind the log-in; paper accounts begin with D."""
    max_version: int = Field(MAX_VERSION, ge=MIN_VERSION, le=MAX_VERSION)
    """Highest server version that is offered."""
    zone: str = "US/Central"
    """Time zone of the gateway: stamps of executions, hours, times without a zone."""
    read_only: bool = False
    """Read-Only API: orders are refused with 321."""
    master_client: int | None = None
    """Client id that hears of everybody's orders and executions."""
    preset_tif: str = "DAY"
    """Time in force for orders that come without one; the client is told with 10349."""
    rejected_as: Literal["Inactive", "Cancelled"] = "Inactive"
    """Status of an order that the venue refused with 201."""
    protected_as: Literal["MKT PRT", "LMT"] = "MKT PRT"
    """Type that a market order is shown with once it is worked as a limit order."""
    pending_submit: bool = False
    """Whether a new order is first reported as PendingSubmit, before the venue has answered."""
    rate_limit: int = Field(50, ge=1, le=1_000_000)
    """Messages per second and client above which a message is dropped with error 100."""
    rate_strikes: int = Field(3, ge=1, le=1_000)
    """Seconds with dropped messages after which the client is disconnected."""
    what_if: Literal["margins", "unset"] = "margins"
    """Whether a what-if is answered with figures, or with all of them "not set" as TWS sometimes does."""
    max_active: int = Field(20, ge=1, le=1_000_000)
    """Active orders per account, contract and side; more are refused with 201."""
    market_data: Literal["live", "delayed", "none"] = "live"
    """What the log-in is subscribed to: none and delayed refuse live data with 354."""
    account_interval: float = Field(180.0, gt=0, le=3600)
    """Seconds between account values without a position change, as TWS has it."""
    pnl_interval: float = Field(1.0, gt=0, le=60)
    """Seconds between profit and loss messages."""
    orders_while_cut: Literal["hold", "refuse"] = "hold"
    """What happens to orders that arrive while the gateway has lost the server (1100): they wait for it,
    or are refused with 504."""
    strict: bool = False
    """Whether an undecodable request closes the line instead of only being answered with 320 and counted."""
