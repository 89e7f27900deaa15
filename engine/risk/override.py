"""One risk limit that an operator has set while the engine ran, as it is journalled and kept.

In a file of its own: who reads journal records, as every screen does, need not load the configuration.
"""

from __future__ import annotations

from engine.model import Value


class Override(Value, frozen=True):
    """A figure that was set while the engine ran. Both as the file would write them; empty: not given."""

    value: str
    file: str
    """What the file said then: where it says something else later, the file was changed, and holds."""
    who: str = ""
