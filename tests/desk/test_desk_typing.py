"""Bytes from the terminal: broken, cut off and split ones, and the kill key behind each of them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from textual import events
from textual.message import Message

from app.desk.typing import KeyStream

F12 = b"\x1b[24~"


def keys(messages: list[Message]) -> list[str]:
    return [message.key for message in messages if isinstance(message, events.Key)]


def fed(stream: KeyStream, *reads: bytes) -> list[Message]:
    """What a stream makes of reads that come one after the other."""
    return [message for data in reads for message in stream.feed(data)]


@pytest.mark.parametrize("sequence", [F12, b"\x1c", b"\x1b[92;5u", b"\x1b[24;65~"])
def test_the_kill_key_in_all_its_forms(sequence: bytes) -> None:
    assert keys(fed(KeyStream(), sequence)) in (["f12"], ["ctrl+backslash"])


@given(st.binary(max_size=40))
@example(b"\xc3")
@example(b"\x1b[200~sell everything")
@example(b"\x1b[24;1:1~")
@example(b"\x1b[<0;1")
@example(b"\x1bP1+r544e")
@settings(max_examples=300, deadline=None)
def test_nothing_that_came_before_keeps_the_kill_key_away(before: bytes) -> None:
    stream = KeyStream()
    fed(stream, before)
    assert keys(fed(stream, F12))[-1:] == ["f12"]


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_input_ends_the_reading(reads: list[bytes]) -> None:
    stream = KeyStream()
    fed(stream, *reads)
    fed(stream, b"\x1b")  # leaves a paste that has lost its end
    fed(stream, F12)  # ends a sequence that was half there
    assert keys(fed(stream, b"x"))[-1:] == ["x"]


def test_a_character_in_two_reads_is_one_key() -> None:
    assert keys(fed(KeyStream(), "ä".encode()[:1], "ä".encode()[1:], b"x")) == ["ä", "x"]


def test_a_sequence_that_cannot_be_read_takes_no_key_with_it() -> None:
    assert keys(fed(KeyStream(), b"a\x1b[24;1:1~\x1b[24~")) == ["a", "f12"]


def test_a_paste_is_no_keys_in_however_many_reads() -> None:
    whole = b"\x1b[200~X:kill\rflatten\r" + F12 + b"y\x1b[201~"
    for cut in range(1, len(whole)):
        stream = KeyStream()
        found = fed(stream, whole[:cut], whole[cut:])
        assert [type(message) for message in found] == [events.Paste], cut
        assert not stream.pasting
        assert keys(fed(stream, b"x")) == ["x"]


def test_between_two_pastes_there_are_keys() -> None:
    found = fed(KeyStream(), b"a\x1b[200~X\x1b[201~b\x1b[200~\x1bx\x1b[201~c")
    assert keys(found) == ["a", "b", "c"]
    assert [message.text for message in found if isinstance(message, events.Paste)] == ["X", "\x1bx"]


def test_a_paste_that_has_lost_its_end_is_told_and_left_with_escape() -> None:
    moment = [0.0]
    stream = KeyStream(now=lambda: moment[0])
    fed(stream, b"\x1b[200~sell")
    moment[0] = 1.0
    assert stream.pasting and not stream.silent_paste()
    moment[0] = 5.0
    assert stream.silent_paste()
    assert not stream.silent_paste(), "told once"
    assert keys(fed(stream, b"X")) == [], "it may be a slow line: the rest is no keys"
    assert keys(fed(stream, b"\x1b")) == []
    assert keys(fed(stream, b"x")) == ["x"]


@pytest.mark.parametrize(
    "reply",
    [
        b"\x1b]11;rgb:0b0b/0f0f/1414\x07",
        b"\x1b]11;rgb:0b0b/0f0f/1414\x1b\\",
        b"\x1bP1+r544e=787465726d\x1b\\",
        b"\x1b_Gi=31;OK\x1b\\",
        b"\x1b[?62;22c",
        b"\x1b[3;1;1;120;120;1;0x",
    ],
)
def test_what_a_terminal_answers_is_no_key(reply: bytes) -> None:
    assert keys(fed(KeyStream(), b"a" + reply + b"b", F12)) == ["a", "b", "f12"]
    for cut in range(3, len(reply) - 1 if reply[1:2] != b"[" else 0):
        assert keys(fed(KeyStream(), reply[:cut], reply[cut:] + b"b")) == ["b"], cut


def test_an_answer_that_does_not_end_swallows_no_later_key() -> None:
    moment = [0.0]
    stream = KeyStream(now=lambda: moment[0])
    assert keys(fed(stream, b"\x1bP1+r54", b"4e")) == []
    moment[0] = 1.0
    assert keys(fed(stream, b"x")) == ["x"]


def test_alt_and_a_key_is_no_answer() -> None:
    assert keys(fed(KeyStream(), b"\x1bP", b"\x1b]")) != []
    assert keys(fed(KeyStream(), b"\x1b[A", b"\x1b[19;2~", b"\x1b[13;2u")) == [
        "up",
        "shift+f8",
        "shift+enter",
    ]
