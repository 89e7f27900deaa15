"""What the application hands to the engine: every seam, and what the run is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.answers import no_log
from engine.books import Applied, Books
from engine.config import EngineConfig, RiskLimits
from engine.control.questions import LogTail, ReplySink
from engine.control.snapshot import Snapshot
from engine.core import Log
from engine.journal import Journal
from engine.model import Instrument, Mode
from engine.ports import Adapter, Clock, DepthSource, IdSource
from engine.recorder.recent import RecentRows
from engine.records import AnyRecord
from engine.restoring import Saver
from engine.sentinel.keeper import Post
from engine.sentinel.lease import OPEN, Fence
from engine.sessions import Calendar
from engine.strategy.host import StrategyHost


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that is handed in."""

    config: EngineConfig
    clock: Clock
    ids: IdSource
    journal: Journal
    adapter: Adapter
    books: Books
    instruments: Sequence[Instrument]
    calendar: Callable[[str], Calendar]
    log: Log
    mode: Mode
    lockstep: bool
    """Virtual time: strategies are stepped with the recording, idle risk rounds are skipped."""
    speed: float
    """Engine time over host time; 1 in virtual time."""
    seed: int
    reload_limits: Callable[[], RiskLimits]
    publish: Callable[[Snapshot], None] | None
    """Where snapshots go; None: nobody looks, and none are made."""
    rss_mb: Callable[[], float | None]
    recent: RecentRows | None = None
    """What the journal held before, for telling stories; None: it is read from disk when it is asked for."""
    depth: DepthSource | None = None
    """Who knows more of a market than its touch; None: nobody does."""
    backups: Sequence[Adapter] = ()
    """Further connections to the same broker and account, as `config.connections` names them."""
    draw: Callable[[], float] = lambda: 0.5
    """Random numbers from 0 to 1, for the waits between attempts to connect."""
    import_paths: tuple[str, ...] = ()
    skip_idle: bool | None = None
    """Rounds of risk loop and chores that could find nothing new are left out; None: as `lockstep`."""
    host: Callable[..., StrategyHost] | None = None
    """Makes the host of each strategy; None: one process each."""
    fence: Fence = OPEN
    """Whether anything may leave for the broker."""
    sentinel: Post | None = None
    """The way to the process that watches over this engine; None: none does."""
    lots_cap: int | None = None
    """Largest position in any instrument, lots, whatever the limits say, also after a reload; None: none."""
    feed_name: str = ""
    feed_progress: Callable[[], float | None] = lambda: None
    log_tail: Callable[[LogTail, ReplySink], None] = no_log
    """Answers questions about the log; must not block."""
    tell: Callable[[AnyRecord, Applied, int, str, str], None] | None = None
    """Where news goes, see `Core.tell`."""
    counters: Callable[[], Mapping[str, int]] = dict
    """Counters of what stands around the engine: the log, the control socket."""
    saver: Saver | None = None
    """Saves the books' state beside the journal; None: nobody does."""
