"""Frames and fields of the TWS socket protocol: four bytes of length, then texts that are each closed by NUL.

Source: the layouts in three client implementations (ib_insync 0.9.86, ib_async 2.1, the vendor's 9.81).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

MIN_VERSION: Final = 157
"""Lowest version served: that of the vendor's client in the package registry."""
MAX_VERSION: Final = 178
GREETING: Final = b"API\0"
MAX_FRAME: Final = 0xFFFFFF
"""Bytes of the longest message; a longer one means that the other side speaks something else."""
UNSET_DOUBLE: Final = "1.7976931348623157E308"
"""Java's largest double: "not set" where a field may not be empty."""
UNSET_INT: Final = "2147483647"

_HEAD: Final = struct.Struct(">I")
_LARGEST: Final = Decimal(UNSET_DOUBLE)


class WireError(ValueError):
    """What came, or was about to go, is no message of this protocol; the text names the field."""


def frame(body: bytes) -> bytes:
    return _HEAD.pack(len(body)) + body


def join(fields: Sequence[str]) -> bytes:
    """Fields → a whole frame. Raises `WireError` for a text with a NUL in it."""
    body = "\0".join(fields) + "\0" if fields else ""
    if body.count("\0") != len(fields):
        odd = next(text for text in fields if "\0" in text)
        raise WireError(f"a field must not contain NUL: {odd!r}")
    return frame(body.encode())


def split(body: bytes) -> list[str]:
    """The fields of one frame's body. Raises `WireError` where the last one is not closed."""
    try:
        fields = body.decode().split("\0")
    except UnicodeDecodeError as error:
        raise WireError(f"not UTF-8: {body[:120]!r}") from error
    if fields.pop() != "":
        raise WireError(f"the last field is not closed by NUL: {body[-60:]!r}")
    return fields


class Unframer:
    """Bytes in, bodies of whole frames out."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Raises `WireError` for a length that no message has."""
        self._data += data
        bodies = []
        while len(self._data) >= 4:
            (size,) = _HEAD.unpack_from(self._data)
            if size > MAX_FRAME:
                raise WireError(f"a message of {size} bytes; the longest may have {MAX_FRAME}")
            if len(self._data) < 4 + size:
                break
            bodies.append(bytes(self._data[4 : 4 + size]))
            del self._data[: 4 + size]
        return bodies

    @property
    def rest(self) -> int:
        """Bytes of a message that is not complete."""
        return len(self._data)


# -- fields: what a text means, by the kind that its layout gives it


def to_text(kind: str, value: Any, name: str) -> str:
    """A value → its text. Kinds: `#` int, `%` decimal, `~` decimal whose "not set" is spelt out, `?` flag,
    `""` text. None is "not set". Raises `WireError` for a value of another type."""
    if value is None:
        return UNSET_DOUBLE if kind == "~" else ""
    if kind == "":
        if isinstance(value, str):
            return str(value)
    elif kind == "#":
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    elif kind == "?":
        if isinstance(value, bool):
            return "1" if value else "0"
    elif isinstance(value, Decimal):
        return _decimal_text(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise WireError(f"field {name} cannot be {value!r}")


def from_text(kind: str, text: str, name: str) -> Any:
    """The reverse of `to_text`. Raises `WireError` with the field's name."""
    if kind == "":
        return text
    if kind == "?":
        if text in ("", "0", "false"):
            return False
        if text in ("1", "true"):
            return True
        raise WireError(f"field {name} is a flag and cannot be {text!r}")
    if text in ("", UNSET_INT):
        return None
    if kind == "#":
        try:
            return int(text)
        except ValueError:
            raise WireError(f"field {name} is a whole number and cannot be {text!r}") from None
    if text == "Infinite":
        text = "Infinity"
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise WireError(f"field {name} is a number and cannot be {text!r}") from None
    return None if number >= _LARGEST and number.is_finite() else number


def _decimal_text(value: Decimal) -> str:
    if value.is_infinite():
        return "Infinite"
    return format(value, "f")
