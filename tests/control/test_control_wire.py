"""Frames and messages as properties: however the bytes are cut, the same messages or a WireError come out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.control import commands as c
from engine.control import wire
from engine.control.questions import LogTail
from engine.model import OrderType, Side, TimeInForce

prices = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)
words = st.text(max_size=40)

commands = st.one_of(
    st.builds(
        c.Submit,
        symbol=words,
        side=st.sampled_from(Side),
        size=prices,
        type=st.sampled_from(OrderType),
        limit=st.none() | prices,
        stop=st.none() | prices,
        tif=st.sampled_from(TimeInForce),
        reduce_only=st.booleans(),
        take_profit=st.none() | prices,
        preview=st.booleans(),
    ),
    st.builds(c.Modify, order_id=words, size=st.none() | prices, limit=st.none() | prices),
    st.builds(c.Cancel, order_id=words),
    st.builds(c.CancelAll, symbol=st.none() | words, strategy=st.none() | words),
    st.builds(
        c.Roll,
        source=words,
        target=words,
        size=st.none() | st.decimals(allow_nan=False, allow_infinity=False),
        within=st.none() | st.integers(0, 1_000),
        preview=st.booleans(),
    ),
    st.builds(c.Flatten, symbol=st.none() | words),
    st.builds(c.Kill, flatten=st.booleans(), reason=words),
    st.builds(c.Reset, scope=st.sampled_from(["halt", "day_loss", "instrument", "control"]), target=words),
    st.builds(c.Pause, strategy=st.none() | words),
    st.builds(c.Resume, strategy=st.none() | words),
    st.just(c.Reload()),
    st.builds(c.Adopt, symbol=words),
    st.builds(c.Claim, broker_id=words, strategy=words),
    st.builds(c.Acknowledge, alert_id=st.none() | st.integers(0, 2**60)),
    st.just(c.Shutdown()),
    st.just(c.TakeControl()),
    st.builds(c.ScreenSaid, text=st.text(max_size=40)),
    st.builds(c.ScreenFailed, text=st.text(max_size=40)),
)

requests = st.one_of(
    st.builds(wire.Hello, version=st.integers(0, 100), client=words, tty=words),
    st.builds(wire.Ask, id=st.integers(0, 2**60), topic=st.sampled_from(wire.TOPICS)),
    st.builds(wire.Do, id=st.integers(0, 2**60), command=commands),
    st.builds(
        wire.Attach,
        id=st.integers(0, 2**60),
        mark=words,
        read_only=st.booleans(),
        take_control=st.booleans(),
        rate=st.floats(allow_nan=False, allow_infinity=False),
        run=words,
        after=st.integers(0, 2**60),
    ),
    st.builds(wire.Query, id=st.integers(0, 2**60), question=st.builds(LogTail, about=words)),
    st.just(wire.Again()),
    st.builds(wire.Goodbye, why=words),
)


@settings(max_examples=150, deadline=None)
@given(requests)
def test_requests_survive_the_wire(request: wire.FromClient) -> None:
    assert wire.decode_request(wire.encode(request)) == request


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_a_wire_error(body: bytes) -> None:
    for decode in (wire.decode_request, wire.decode_reply):
        try:
            decode(body)
        except wire.WireError as error:
            assert str(error)


@settings(max_examples=200, deadline=None)
@given(requests, st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_damaged_request_decodes_or_raises_a_wire_error(
    request: wire.FromClient, at: int, damage: bytes
) -> None:
    body = bytearray(wire.encode(request))
    at %= len(body)
    body[at : at + len(damage)] = damage
    try:
        wire.decode_request(bytes(body))
    except wire.WireError as error:
        assert str(error)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=8), st.data())
def test_frames_come_out_whole_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(wire.frame(b) for b in bodies)
    deframer = wire.Deframer(200)
    out: list[bytes] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        out += deframer.feed(stream[:cut])
        stream = stream[cut:]
        assert deframer.waiting <= 204
    assert out == bodies
    assert deframer.waiting == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(51, 2**32 - 1))
def test_a_length_beyond_the_limit_is_refused_after_what_came_before_it(bodies: list[bytes], n: int) -> None:
    stream = b"".join(wire.frame(b) for b in bodies) + n.to_bytes(4, "big")
    out: list[bytes] = []
    with pytest.raises(wire.WireError, match="are allowed"):
        for body in wire.Deframer(50).feed(stream):
            out.append(body)
    assert out == bodies


def test_prices_stay_exact() -> None:
    sent = wire.Do(
        id=1, command=c.Submit(symbol="X", side=Side.SELL, size=Decimal("0.30"), limit=Decimal("-37.630"))
    )
    got = wire.decode_request(wire.encode(sent))
    assert isinstance(got, wire.Do)
    assert isinstance(got.command, c.Submit)
    assert str(got.command.limit) == "-37.630"
    assert str(got.command.size) == "0.30"
