"""Frames: what has changed from one snapshot to the next, small enough to send ten times a second.

A table's rows are compared by key and sent where they differ; everything else is sent whole where it differs.
`patched(a, delta(a, b)) == b` for any two snapshots, whatever the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, get_args, get_origin

import msgspec

from engine.control.snapshot import (
    AlertRow,
    OrderRow,
    PositionRow,
    RiskRow,
    ScreenRow,
    Snapshot,
    StrategyRow,
)
from engine.model import Value

_KEYS: Final[dict[type, Callable[[Any], object]]] = {
    OrderRow: lambda row: row.id,
    PositionRow: lambda row: row.symbol,
    RiskRow: lambda row: (row.control, row.scope),
    AlertRow: lambda row: row.id,
    StrategyRow: lambda row: row.name,
    ScreenRow: lambda row: row.id,
}
"""What tells the rows of a table apart. Rows of a type that is not here are sent all where one differs."""


class TablePatch(Value, frozen=True, kw_only=True):
    """How a table changes. The old rows, those at the positions `at` replaced by the first of `rows`, and
    then the rest of `rows` make a pool; `order` are the runs (first, how many) of it that make the new table,
    None: the pool as it is. Rows that are gone are in no run."""

    at: tuple[int, ...] = ()
    rows: msgspec.Raw = msgspec.Raw(b"[]")
    order: tuple[tuple[int, int], ...] | None = None


class Frame(Value, frozen=True, kw_only=True):
    """What leads from the snapshot `base` to the snapshot `seq`. `ts`: engine time of the latter, UTC ns."""

    base: int
    seq: int
    ts: int
    values: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    tables: dict[str, TablePatch] = msgspec.field(default_factory=dict)


class WrongBase(Exception):
    """The frame belongs to another snapshot than the one at hand: a whole one must be asked for."""


def _row_type(of: Any) -> type | None:
    """The type of a table's rows; None for what is no table."""
    args = get_args(of)
    return args[0] if get_origin(of) is tuple and args and args[0] in _KEYS else None


_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Snapshot)}
_TABLES: Final = {name: row for name, of in _TYPES.items() if (row := _row_type(of)) is not None}
_VALUES: Final = tuple(name for name in _TYPES if name not in _TABLES and name not in ("seq", "ts"))
_encoder: Final = msgspec.json.Encoder()
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(of) for name, of in _TYPES.items()
}


def delta(a: Snapshot, b: Snapshot) -> Frame:
    """The frame from one snapshot to another."""
    values = {
        name: msgspec.Raw(_encoder.encode(new))
        for name in _VALUES
        if (new := getattr(b, name)) != getattr(a, name)
    }
    tables = {}
    for name, of in _TABLES.items():
        patch = _difference(getattr(a, name), getattr(b, name), _KEYS[of])
        if patch is not None:
            tables[name] = patch
    return Frame(base=a.seq, seq=b.seq, ts=b.ts, values=values, tables=tables)


def patched(a: Snapshot, frame: Frame) -> Snapshot:
    """The snapshot to which a frame leads. Raises `WrongBase`, or `msgspec.DecodeError` for what is none."""
    if frame.base != a.seq:
        raise WrongBase(f"the frame follows snapshot {frame.base}, and {a.seq} is at hand")
    changes: dict[str, Any] = {"seq": frame.seq, "ts": frame.ts}
    for name, raw in frame.values.items():
        if name not in _VALUES:
            raise msgspec.DecodeError(f"there is no value {name!r} in a snapshot")
        changes[name] = _decoders[name].decode(raw)
    for name in _TABLES:
        rows = getattr(a, name)
        patch = frame.tables.get(name)
        changes[name] = rows if patch is None else _merged(rows, patch, _decoders[name])
    if not frame.tables.keys() <= _TABLES.keys():
        raise msgspec.DecodeError(f"there are no tables {sorted(frame.tables.keys() - _TABLES.keys())}")
    return msgspec.structs.replace(a, **changes)


def _difference(old: Sequence[Any], new: Sequence[Any], key: Callable[[Any], object]) -> TablePatch | None:
    """None where nothing differs. Of rows with the same key the last one counts, the others are new."""
    if old == new:
        return None
    # Of thousands of rows nearly all stand where they stood: only what lies between is looked up by key.
    short = min(len(old), len(new))
    head = next((n for n in range(short) if old[n] is not new[n]), short)
    tail = next((n for n in range(short - head) if old[-1 - n] is not new[-1 - n]), short - head)
    place = {key(old[number]): number for number in range(head, len(old) - tail)}
    at: list[int] = []
    replacing: list[Any] = []
    fresh: list[Any] = []
    runs: list[list[int]] = [[0, head]] if head else []
    for row in new[head : len(new) - tail]:
        found = place.pop(key(row), None)
        if found is None:
            found = len(old) + len(fresh)
            fresh.append(row)
        elif old[found] != row:
            at.append(found)
            replacing.append(row)
        if runs and found == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([found, 1])
    if tail and runs and sum(runs[-1]) == len(old) - tail:
        runs[-1][1] += tail
    elif tail:
        runs.append([len(old) - tail, tail])
    whole = runs == [[0, len(old) + len(fresh)]]
    return TablePatch(
        at=tuple(at),
        rows=msgspec.Raw(_encoder.encode([*replacing, *fresh])),
        order=None if whole else tuple((first, many) for first, many in runs),
    )


def _merged(old: tuple[Any, ...], patch: TablePatch, decoder: msgspec.json.Decoder[Any]) -> tuple[Any, ...]:
    rows = decoder.decode(patch.rows)
    pool = list(old)
    if len(patch.at) > len(rows) or any(not 0 <= place < len(old) for place in patch.at):
        raise msgspec.DecodeError("a frame changes rows that are not there")
    for place, row in zip(patch.at, rows, strict=False):
        pool[place] = row
    pool += rows[len(patch.at) :]
    if patch.order is None:
        return tuple(pool)
    if any(first < 0 or many < 1 or first + many > len(pool) for first, many in patch.order):
        raise msgspec.DecodeError("a frame orders rows that are not there")
    return tuple(row for first, many in patch.order for row in pool[first : first + many])
