"""The base of all that the journal holds; the records are in `engine.records`."""

from __future__ import annotations

from engine.model import Value


class Record(Value, frozen=True, tag_field="kind", kw_only=True):
    """Base of all records; the tag is the row's kind."""
