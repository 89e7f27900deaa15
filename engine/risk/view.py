"""What the controls may know: one read-only picture of books, market and account, and its small values.

The engine implements `RiskView` over its live books; tests implement it with plain attributes. Every member
is cheap, synchronous and free of side effects, because the gate reads about twenty of them for each order and
the risk loop some of them every ten milliseconds. Prices are ticks, quantities lots, money account currency,
times and ages ns. None always means "not known", never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, Protocol

from engine.config import RiskLimits, StrategyConfig
from engine.model import Instrument, MarketState, Order, OrderStatus, Quote, Side, Value
from engine.ports import Figure

DataWord = Literal["live", "stale", "behind", "jump", "crossed", "locked", "one_sided", "closed", "none"]
"""What the feed watchdog says of an instrument's data."""


class Reference(Value, frozen=True, array_like=True):
    """A price to measure others by: middle of the market, else the last trade. `price` ticks, `age` ns."""

    price: int
    age: int


class DataState(Value, frozen=True, array_like=True):
    """State of an instrument's data. `age` of the newest quote (None: none ever came) and the `deadline`, the
    age from which this instrument's data counts as stale by its own rhythm; both ns."""

    word: DataWord
    age: int | None
    deadline: int


class Market(Value, frozen=True, array_like=True):
    """What the venue lets in; lowest and highest price (ticks) that it takes, None where unlimited."""

    state: MarketState
    low: int | None = None
    high: int | None = None


class OrderStanding(Value, frozen=True, kw_only=True):
    """Where one of our orders stands."""

    order: Order
    """With the terms now in force (after accepted replaces)."""
    status: OrderStatus
    cum: int
    """Lots filled."""
    exposure: int
    """Lots that this order contributes to `RiskView.exposure`; with a replace pending the larger of old and
    new. 0 once closed, and while a bracket's child is held back."""


class RiskView(Protocol):
    """The picture that controls read.

    An approved order or replace counts in `exposure`, `strategy_exposure`, `working_count` and `order` from
    the moment of its approval, so that two checks in a row can never pass on the same room.
    """

    # time
    def now(self) -> int:
        """Engine time, UTC ns."""

    def mono(self) -> int:
        """Monotonic ns; every pause and budget is measured by it."""

    # limits
    def limits(self) -> RiskLimits: ...

    def limits_version(self) -> int:
        """Changes with every reload."""

    def strategy(self, name: str) -> StrategyConfig | None:
        """Limits of a strategy; None where it has none of its own (manual orders, foreign ones)."""

    # what changed
    def stamp(self) -> object:
        """Another one whenever any answer of this view but an age may be another one: what `limits_version`
        and all the versions below tell, in one look."""

    def symbols(self) -> Sequence[str]:
        """Every symbol with a position (by any source), exposure or subscription, in a stable order."""

    def strategies(self) -> Sequence[str]:
        """Configured strategies, in a stable order."""

    def version(self, symbol: str) -> int:
        """Changes whenever any answer about the symbol changes other than an age."""

    def booked_version(self, symbol: str) -> int:
        """Changes whenever position (by our count or the broker's), exposure or margin of the symbol change;
        without a symbol whenever orders, halts or `trading_enabled` of the account do. Another `version`, or
        `account_version`, goes with it; quotes alone change it not."""

    def worth_version(self) -> int:
        """Changes whenever `symbols` or any `value_version` does."""

    def value_version(self, symbol: str) -> int:
        """Changes whenever position, exposure, margin or `reference` price of the symbol change."""

    def account_version(self) -> int:
        """Changes whenever equity, P&L, margin, peak, worst case, orders, trading day, halts or
        `trading_enabled` change, and when one of them becomes unknown."""

    def strategy_version(self, strategy: str) -> int:
        """Changes whenever position, working orders or P&L of the strategy change."""

    # instruments and money
    def instrument(self, symbol: str) -> Instrument | None: ...

    def fx(self, currency: str) -> Decimal | None:
        """Account currency for one unit; 1 for the account currency itself."""

    def margin_needed(self, symbol: str, lots: int) -> Decimal | None:
        """Initial margin for `lots` ≥ 0, account currency."""

    def margin_doubt(self, symbol: str) -> str:
        """Why it is not known what one more lot needs, although the broker is one that says; empty where it
        is."""

    # positions and orders
    def position(self, symbol: str) -> int:
        """Signed lots by our own booked executions."""

    def broker_position(self, symbol: str) -> int | None:
        """Signed lots by the broker; None where not known, or where the snapshot is older than the last
        execution booked for the symbol (it would count that fill as missing)."""

    def exposure(self, symbol: str) -> tuple[int, int]:
        """Worst-case lots (buy, sell) that may still be filled: everything working, in flight, UNKNOWN,
        foreign, and the larger of old and new where a replace is pending. Both ≥ 0."""

    def flatten_exposure(self, symbol: str) -> tuple[int, int]:
        """The part of `exposure` that belongs to orders of purpose FLATTEN."""

    def oco_exposure(self, group: str, symbol: str, side: Side) -> int:
        """The part of one side's `exposure` that belongs to this OCO group: its largest member, because a
        fill of one takes the others away."""

    def order(self, order_id: str) -> OrderStanding | None:
        """Any order of ours, closed ones as long as they are in memory."""

    def working_count(self) -> int:
        """Open orders, those in flight and UNKNOWN included."""

    def own_best(self, symbol: str, side: Side) -> int | None:
        """The most aggressive limit of our own open orders: highest buy, lowest sell; in flight included."""

    # strategies
    def strategy_position(self, strategy: str, symbol: str) -> int: ...

    def strategy_exposure(self, strategy: str, symbol: str) -> tuple[int, int]: ...

    def strategy_working(self, strategy: str) -> int: ...

    def strategy_pnl(self, strategy: str) -> Decimal | None:
        """The day's realised and open profit less fees, account currency."""

    # market
    def quote(self, symbol: str) -> Quote | None: ...

    def reference(self, symbol: str) -> Reference | None:
        """Newest price however old; freshness is the reader's matter."""

    def data_state(self, symbol: str) -> DataState: ...

    def market(self, symbol: str) -> Market: ...

    # account; each None where not known or older than its own deadline
    def equity(self) -> Decimal | None: ...

    def opening_equity(self) -> Decimal | None:
        """Equity at the start of the trading day, or at the last reset of the day's loss."""

    def peak_equity(self) -> Decimal | None:
        """Highest equity seen in the trading day."""

    def tells(self, figure: Figure) -> bool:
        """Whether the broker is one that tells such a figure of the account."""

    def broker_day_pnl(self) -> Decimal | None:
        """The day's profit by the broker's own count, less a loss that his day had before ours began."""

    def day_pnl(self) -> Decimal | None:
        """Realised + open − fees since `opening_equity` was taken."""

    def margin_equity(self) -> Decimal | None:
        """What margin is measured by: the lower of `equity` and the broker's own figure, because only the
        broker knows of withdrawals and costs."""

    def margin_ahead(self) -> tuple[Decimal, int] | None:
        """What the positions will bind from the broker's next change of requirements on, account currency,
        and when that is, UTC ns; None where none is announced or the figures are not known."""

    def margin_used(self) -> Decimal | None: ...

    def trading_day(self) -> str:
        """ISO date of the trading day by the calendar."""

    # switches; a sentence why, empty where not
    def halted(self) -> str:
        """The kill switch's latch or an account-wide halt."""

    def trading_enabled(self) -> bool:
        """False until recovery has found the three views in agreement."""

    def symbol_halt(self, symbol: str) -> str:
        """Why nothing may be opened in this symbol (drift, unknown order, changed contract)."""

    def symbol_hold(self, symbol: str) -> str:
        """Why nothing may be opened in this symbol until the broker has been compared (a late fill)."""

    def paused(self, strategy: str) -> str:
        """Why this strategy, or everybody, may open nothing now: operator's pause, journal trouble."""

    def flattening(self, symbol: str) -> bool:
        """True while the kill or flatten procedure works on the symbol; nobody else may trade it then."""
