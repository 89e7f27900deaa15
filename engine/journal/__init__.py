"""The write-ahead store: what the engine knows, on disk before it acts on it."""

from engine.journal.errors import (
    AlreadyRunning,
    Corrupt,
    DiskFull,
    NewerSchema,
    NotAJournal,
    ReadOnly,
    StoreFailed,
    StoreRefused,
    Unwell,
)
from engine.journal.health import StoreHealth, StoreState
from engine.journal.journal import Journal, Stored
from engine.journal.rows import Row

__all__ = [
    "AlreadyRunning",
    "Corrupt",
    "DiskFull",
    "Journal",
    "NewerSchema",
    "NotAJournal",
    "ReadOnly",
    "Row",
    "StoreFailed",
    "StoreHealth",
    "StoreRefused",
    "StoreState",
    "Stored",
    "Unwell",
]
