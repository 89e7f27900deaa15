"""JSON of what may be large, made in pieces: between two of them other threads have the interpreter.

One call of the encoder keeps it to the end; for thousands of rows that is a good part of a risk period, on
whatever thread the call is made.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from engine.control.snapshot import Snapshot

PIECE: Final = 250
"""Rows that are encoded in one go: some 0.1 ms."""
_encoder: Final = msgspec.json.Encoder()
_FIELDS: Final = msgspec.structs.fields(Snapshot)


def encode(value: object) -> bytes:
    """The JSON that `engine.control.wire.encode` makes of a topic's data or of a snapshot."""
    if isinstance(value, Snapshot):
        told = ((field.encode_name, _told(value, field)) for field in _FIELDS)
        return _encoder.encode({name: _part(part) for name, part in told if part is not _SAME})
    return _encoder.encode(_part(value))


_SAME: Final = object()


def _told(snapshot: Snapshot, field: msgspec.structs.FieldInfo) -> Any:
    """A field's value; `_SAME` where it is left out, because it is what who reads it puts in by himself."""
    value = getattr(snapshot, field.name)
    if field.default is not msgspec.NODEFAULT and value == field.default:
        return _SAME
    if field.default_factory is not msgspec.NODEFAULT and value == field.default_factory():
        return _SAME
    return value


def _part(value: Any) -> Any:
    if not isinstance(value, tuple) or len(value) <= PIECE:
        return value
    pieces = [_encoder.encode(value[at : at + PIECE])[1:-1] for at in range(0, len(value), PIECE)]
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]")
