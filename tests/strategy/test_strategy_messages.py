"""The wire between engine and strategy: frames cut anywhere, garbage refused, actions looked at twice."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_kit import INSTRUMENTS

from engine.model import OrderType, Side, TimeInForce
from engine.strategy.messages import (
    MAX_FRAME,
    CancelRef,
    Done,
    Failed,
    Intend,
    Log,
    Malformed,
    Place,
    Ready,
    ReplaceRef,
    SetTimer,
    Splitter,
    frame,
    objection,
    read_reply,
)

REPLIES = [
    Ready(("quote", "bar"), 1 << 20, (SetTimer(-1, None, None, "t", 5),)),
    Done(7, (Intend(0, 1, 2, "GCM3", -3), CancelRef(0, None, None, 4)), (Log("info", "é", {"a": "b"}),), 3),
    Done(8),
    Failed("ValueError", "trace"),
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(REPLIES), max_size=6), st.data())
def test_frames_survive_any_cut(replies: list[Done], data: st.DataObject) -> None:
    stream = b"".join(frame(reply) for reply in replies)
    splitter = Splitter(MAX_FRAME)
    got: list[object] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += [read_reply(body) for body in splitter.feed(stream[:cut])]
        stream = stream[cut:]
    assert got == replies


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_garbage_is_refused_and_never_more(noise: bytes) -> None:
    try:
        reply = read_reply(noise)
    except Malformed:
        return
    assert isinstance(reply, Ready | Done | Failed)


@pytest.mark.parametrize(
    "body",
    [
        ["done", 1, [["intend", 0, None, None, "GCM3", 1.5]]],
        ["done", 1, [["intend", 0, None, None, "GCM3", float("nan")]]],
        ["done", 1, [["intend", 0, None, None, "GCM3", True]]],
        ["done", 1, [["intend", 0, None, None, 5, 1]]],
        ["done", 1, [["place", 0, None, None, 1, "GCM3", "X", 1, "LMT", 5]]],
        ["done", 1, [["explode", 0]]],
        ["done"],
        ["start", 1],
        {"done": 1},
        [["done"] * 3] * 3,
    ],
)
def test_wrong_types_are_refused(body: object) -> None:
    with pytest.raises(Malformed):
        read_reply(msgspec.msgpack.encode(body))


def test_a_frame_beyond_the_bound_is_refused_before_it_is_kept() -> None:
    splitter = Splitter(10)
    with pytest.raises(Malformed, match="a message of 11 bytes; at most 10 are allowed"):
        splitter.feed(b"\x0b\0\0\0")


def place(**changes: object) -> Place:
    good = Place(0, 1, 2, 1, "GCM3", Side.BUY, 1, OrderType.LIMIT, 5)
    return msgspec.structs.replace(good, **changes)


GOOD = [
    Intend(0, None, None, "GCM3", -5),
    place(),
    place(type=OrderType.MARKET, limit=None),
    place(type=OrderType.STOP_LIMIT, stop=4),
    place(tif=TimeInForce.GTD, expire=5),
    CancelRef(-1, None, None, 1),
    ReplaceRef(0, None, None, 1, limit=7),
    SetTimer(0, None, None, "a", None),
]
BAD = {
    "cause": Intend(1, None, None, "GCM3", 1),
    "touch": Intend(0, 10**15, None, "GCM3", 1),
    "symbol": Intend(0, None, None, "ESH4", 1),
    "lots": Intend(0, None, None, "GCM3", 10**12),
    "qty": place(qty=0),
    "ref": place(ref=0),
    "price": place(limit=10**15),
    "zero price": place(limit=0),
    "limit missing": place(limit=None),
    "limit too many": place(type=OrderType.MARKET),
    "stop missing": place(type=OrderType.STOP_LIMIT),
    "expire missing": place(tif=TimeInForce.GTD),
    "expire too many": place(expire=5),
    "take profit": place(take_profit=-1),
    "cancel ref": CancelRef(0, None, None, -1),
    "replace ref": ReplaceRef(0, None, None, 0, qty=1),
    "replace qty": ReplaceRef(0, None, None, 1, qty=0),
    "replace price": ReplaceRef(0, None, None, 1, limit=-(10**15)),
    "timer name": SetTimer(0, None, None, "", 1),
    "timer delay": SetTimer(0, None, None, "a", -1),
}


@pytest.mark.parametrize("action", GOOD)
def test_sound_actions_pass(action: Intend) -> None:
    assert objection(action, 1, ("GCM3",), INSTRUMENTS) == ""


@pytest.mark.parametrize("action", BAD.values(), ids=BAD)
def test_unsound_actions_do_not(action: Intend) -> None:
    assert objection(action, 1, ("GCM3",), INSTRUMENTS) != ""
