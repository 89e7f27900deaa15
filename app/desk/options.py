"""How the desk is to look and whom it asks: all that hosts and tests may set, with its default."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from app.desk import themes
from app.desk.notifying import Notify
from app.desk.plain import Glyphs
from app.desk.result import DeskResult, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOptions:
    """What a desk is told when it is made."""

    theme: themes.DeskTheme | str = themes.DEFAULT
    frame_rate: float = 10.0
    """Frames a second; 0: it paints only when `paint` is called."""
    now: Callable[[], float] = time.monotonic
    """A monotonic clock in seconds, for flashes and notes."""
    who: str = "desk"
    """The operator's name as it is journalled with every command."""
    zone: str = "America/Chicago"
    """The exchange's time zone by name."""
    report_dir: Path | None = None
    """Where a crash report goes; None: the directory for temporary files."""
    bell: bool = True
    """Whether a new alarm rings."""
    notify: Notify = "no"
    """How it asks for a notification of the desktop."""
    over: Callable[[], str] = lambda: ""
    """Asked with every frame: a sentence once the engine has ended in order and the screen is to as well."""
    state_dir: Path | None = None
    """Where the desk remembers columns and sorting; None: nowhere."""
    keymap: str | Path = ""
    """The operator's own keys by name."""
    welcome: str = ""
    """Where it trades, in a sentence: with it the desk is explained at its first start. Empty: it is not."""
    plain: bool = False
    """Keep to the terminal's own sixteen colours."""
    glyphs: Glyphs = "auto"
    """Whether it shows more than ASCII."""
    redact: Callable[[str], str] = str
    """Blanks secrets out of a crash report."""
    safe_after: float = 600.0
    """Seconds without a key after which it is SAFE again; 0: never."""
    sizes: Mapping[str, Decimal] = field(default_factory=dict)
    """Sizes of orders that are entered with one key, by symbol."""
    mouse: bool = True
    restarts: int = 1
    """How often a screen that failed is started again."""
    on_crash: Callable[[DeskResult], None] | None = None
    """Hears of each failure."""
    on_signal: Reason = "stop-engine"
    """What SIGTERM and SIGINT end it with."""


DEFAULTS = DeskOptions()
