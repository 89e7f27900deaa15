"""The codec: what is written is read back, in every version, and nothing is left over or guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.loopback.tws.framing import Unframer, WireError, frame, from_text, join, split, to_text
from brokers.loopback.tws.layout import Const, Field, Layout, Many, Values, When, decode, fields
from brokers.loopback.tws.messages import (
    REPLIES,
    REPLY,
    REQUEST,
    REQUESTS,
    Message,
    read_reply,
    read_request,
    write,
)

VERSIONS = range(157, 179)
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "": TEXT,
    "#": st.none() | st.integers(-(2**31), 2**31 - 2),
    "%": st.none() | st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4),
    "~": st.none() | st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=2),
    "?": st.booleans(),
}
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "secType": st.sampled_from(["FUT", "BAG"]),
    "orderType": st.sampled_from(["LMT", "PEG BENCH", "PEG BEST", "PEG MID"]),
    "type": st.sampled_from([1, 2, 3, 4, 5, 6, 7]),
}
"""Values on which other fields depend."""


@st.composite
def values_of(draw: st.DrawFn, layout: Layout, version: int) -> Values:
    """Values for exactly the fields that a layout has in a version."""
    out: Values = {}
    fill(draw, layout, version, out)
    return out


def fill(draw: st.DrawFn, layout: Layout, version: int, out: Values) -> None:
    for part in layout:
        if isinstance(part, When):
            if part.test(out):
                fill(draw, part.parts, version, out)
        elif isinstance(part, Many):
            out[part.name] = draw(st.lists(values_of(part.item, version), max_size=3))
        elif isinstance(part, Field) and part.since <= version < part.before:
            out[part.name] = draw(LIKELY.get(part.name, KINDS[part.kind]))


def check_round_trip(message: Message, read: Any, version: int, data: st.DataObject) -> None:
    values = data.draw(values_of(message.layout, version))
    (body,) = Unframer().feed(write(message, values, version))
    found, got = read(split(body), version)
    assert found is message
    assert got == values


@pytest.mark.parametrize("message", REQUESTS, ids=lambda m: m.name)
@settings(max_examples=25, deadline=None)
@given(version=st.sampled_from(VERSIONS), data=st.data())
def test_a_request_is_read_as_it_was_written(message: Message, version: int, data: st.DataObject) -> None:
    check_round_trip(message, read_request, version, data)


@pytest.mark.parametrize("message", REPLIES, ids=lambda m: m.name)
@settings(max_examples=25, deadline=None)
@given(version=st.sampled_from(VERSIONS), data=st.data())
def test_a_reply_is_read_as_it_was_written(message: Message, version: int, data: st.DataObject) -> None:
    check_round_trip(message, read_reply, version, data)


@given(bodies=st.lists(st.binary(max_size=40), max_size=6), cuts=st.lists(st.integers(1, 7), min_size=1))
def test_frames_come_whole_however_the_bytes_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(body) for body in bodies)
    unframer, out, at, turn = Unframer(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        out += unframer.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert out == bodies
    assert unframer.rest == 0


@given(number=st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False))
def test_a_decimal_never_goes_out_with_an_exponent(number: Decimal) -> None:
    text = to_text("%", number, "price")
    assert "E" not in text.upper()
    assert from_text("%", text, "price") == number


@pytest.mark.parametrize("text", ["", "1.7976931348623157E308", "1.7976931348623157e+308", "2147483647"])
def test_unset_is_none_and_never_a_number(text: str) -> None:
    assert from_text("%", text, "aux") is None
    assert from_text("~", text, "aux") is None


def test_a_number_of_profit_that_is_not_set_is_spelt_out() -> None:
    assert to_text("~", None, "realizedPNL") == "1.7976931348623157E308"
    assert to_text("%", None, "realizedPNL") == ""


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (["49", "1", "x"], "1 fields are left over"),
        (["4", "1"], "ends before field orderId"),
        (["49", "2"], "expected '1' and got '2'"),
        (["8", "1", "many"], "field count is a whole number and cannot be 'many'"),
        (["15", "1", "yes"], "field bind is a flag and cannot be 'yes'"),
        (["999"], "message type '999' is not known"),
        (["x"], "message type 'x' is not known"),
        ([], "message type '' is not known"),
    ],
)
def test_what_does_not_fit_is_named(texts: list[str], complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        read_request(texts, 178)


def test_a_value_without_a_field_is_an_error_when_writing() -> None:
    with pytest.raises(WireError, match=r"error: no field for codee"):
        write(REPLY["error"], {"id": -1, "codee": 1, "text": ""}, 178)


@pytest.mark.parametrize("value", [1.5, b"x", ["a"], True])
def test_a_value_of_another_type_is_an_error_when_writing(value: object) -> None:
    with pytest.raises(WireError, match="field time cannot be"):
        write(REPLY["time"], {"time": value}, 178)


def test_a_nul_inside_a_text_is_an_error() -> None:
    with pytest.raises(WireError, match="NUL"):
        join(["a\0b"])


def test_a_length_that_no_message_has_is_an_error() -> None:
    with pytest.raises(WireError, match="bytes; the longest"):
        Unframer().feed(b"GET / HTTP/1.1\r\n")


def test_names_are_unique_within_every_message() -> None:
    for message in (*REQUESTS, *REPLIES):
        check_names(message.layout, set())


def check_names(layout: Layout, seen: set[str]) -> None:
    for part in layout:
        if isinstance(part, When):
            check_names(part.parts, set(seen))
        elif isinstance(part, Many):
            check_names(part.item, set())
        elif not isinstance(part, Const):
            gated = isinstance(part, Field) and (part.since or part.before < 1 << 20)
            assert part.name not in seen or gated, part.name
            seen.add(part.name)


def test_a_field_exists_only_in_its_versions() -> None:
    layout = fields("a b#", since=160, before=170)
    assert decode(layout, [], 159) == {}
    assert decode(layout, ["x", "1"], 160) == {"a": "x", "b": 1}
    assert decode(layout, [], 170) == {}


def test_every_message_has_its_own_number() -> None:
    for table, by_name in ((REQUESTS, REQUEST), (REPLIES, REPLY)):
        assert len({m.number for m in table}) == len(table) == len(by_name)
