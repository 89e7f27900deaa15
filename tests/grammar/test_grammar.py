"""The command language: what is understood, what is not and where, and that what is printed reads back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.grammar.saying import say
from app.grammar.tokens import Context, Misspoken
from app.grammar.verbs import HELP, VERBS, Arming, Spoken, Theming, parse
from engine.control.commands import (
    Acknowledge,
    Adopt,
    Cancel,
    CancelAll,
    Claim,
    Flatten,
    Gone,
    Kill,
    Modify,
    Pause,
    Reload,
    Reset,
    Resume,
    Roll,
    SetLimit,
    Shutdown,
    StopStrategy,
    Submit,
    TakeControl,
)
from engine.model import OrderType, Side, TimeInForce

NOON = 1_795_694_400_000_000_000  # 2026-11-26 12:00 UTC
CONTEXT = Context(
    symbols=("ESZ6", "NQZ6"),
    orders=("manual-3jj01-7",),
    strategies=("trend",),
    controls=("daily_loss",),
    now=NOON,
    zone="America/Chicago",
)


def order(side: Side, size: str, **more: Any) -> Submit:
    prices = ("limit", "stop", "stop_loss", "take_profit")
    found = {k: Decimal(v) if k in prices else v for k, v in more.items()}
    return Submit(symbol="ESZ6", side=side, size=Decimal(size), **found)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (
            "buy 2 ESZ6 @ 5012.25 stop 5008 target 5020",
            order(Side.BUY, "2", limit="5012.25", stop_loss="5008", take_profit="5020"),
        ),
        ("BUY 2 esz6@5012.25", order(Side.BUY, "2", limit="5012.25")),
        (
            "sell .5 ESZ6 @-37.63 gtc post",
            order(Side.SELL, ".5", limit="-37.63", tif=TimeInForce.GTC, post_only=True),
        ),
        ("sell 1 ESZ6 @ mkt", order(Side.SELL, "1", type=OrderType.MARKET)),
        ("sell 1 ESZ6 mkt ioc", order(Side.SELL, "1", type=OrderType.MARKET, tif=TimeInForce.IOC)),
        ("buy 1 ESZ6 trigger 5015", order(Side.BUY, "1", type=OrderType.STOP, stop="5015")),
        (
            "sell 1 ESZ6 trigger 5005 @ 5004 reduce",
            order(Side.SELL, "1", type=OrderType.STOP_LIMIT, stop="5005", limit="5004", reduce_only=True),
        ),
        (
            "buy 1 ESZ6 trigger 5015 stop 5010",
            order(Side.BUY, "1", type=OrderType.STOP, stop="5015", stop_loss="5010"),
        ),
        ("buy 1 ESZ6 @ 5000 preview", order(Side.BUY, "1", limit="5000", preview=True)),
        # Chicago is six hours behind in November: 07:00 there is 13:00 UTC, and 05:00 is over today.
        (
            "buy 1 ESZ6 @ 5000 gtd 07:00",
            order(Side.BUY, "1", limit="5000", tif=TimeInForce.GTD, expire=NOON + 3600 * 10**9),
        ),
        (
            "buy 1 ESZ6 @ 5000 gtd 5:00",
            order(Side.BUY, "1", limit="5000", tif=TimeInForce.GTD, expire=NOON + 23 * 3600 * 10**9),
        ),
        ("modify manual-3jj01-7 @ 5010", Modify(order_id="manual-3jj01-7", limit=Decimal(5010))),
        (
            "modify MANUAL-3JJ01-7 size 3 stop 4990",
            Modify(order_id="manual-3jj01-7", size=Decimal(3), stop=Decimal(4990)),
        ),
    ],
)
def test_orders(line: str, command: object) -> None:
    assert parse(line, CONTEXT) == Spoken(command, "" if "preview" in line else "y")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "command", "confirm"),
    [
        ("cancel manual-3jj01-7", Cancel(order_id="manual-3jj01-7"), ""),
        ("cancel elsewhere-1", Cancel(order_id="elsewhere-1"), ""),
        ("cancel all", CancelAll(), "y"),
        ("cancel all nqz6", CancelAll(symbol="NQZ6"), "y"),
        ("cancel-all", CancelAll(), "y"),
        ("flatten all", Flatten(), "FLATTEN"),
        ("flatten unseen", Flatten(symbol="unseen"), "y"),
        ("flatten ESZ6", Flatten(symbol="ESZ6"), "y"),
        ("kill", Kill(flatten=False, reason="operator: command line"), ""),
        ("kill flatten", Kill(flatten=True, reason="operator: command line"), "FLATTEN"),
        ("arm", Arming(True), ""),
        ("safe", Arming(False), ""),
        ("theme light", Theming("light"), ""),
        ("theme reload", Theming(), ""),
        ("ack 17", Acknowledge(alert_id=17), ""),
        ("ack", Acknowledge(), ""),
        ("adopt NQZ6", Adopt(symbol="NQZ6"), "ADOPT"),
        ("gone man-abc1-1", Gone(order_id="man-abc1-1"), "GONE"),
        ("claim 77 trend", Claim(broker_id="77", strategy="trend"), "y"),
        ("pause trend", Pause(strategy="trend"), ""),
        ("resume", Resume(), "y"),
        ("reload", Reload(), ""),
        ("reset instrument ESZ6", Reset(scope="instrument", target="ESZ6"), "RESET"),
        ("reset day-loss", Reset(scope="day_loss"), "RESET"),
        ("reset control daily_loss:trend", Reset(scope="control", target="daily_loss:trend"), "RESET"),
        ("shutdown", Shutdown(), "STOP"),
        ("roll esz6 NQZ6", Roll(source="ESZ6", target="NQZ6"), "ROLL"),
        ("roll ESZ6 NQZ6 all", Roll(source="ESZ6", target="NQZ6"), "ROLL"),
        ("roll ESZ6 NQZ6 2 within 4", Roll(source="ESZ6", target="NQZ6", size=Decimal(2), within=4), "ROLL"),
        ("roll ESZ6 NQZ6 within 0 preview", Roll(source="ESZ6", target="NQZ6", within=0, preview=True), ""),
        ("limit esz6 3", SetLimit(name="ESZ6", value="3"), "y"),
        ("limit daily_loss 2% preview", SetLimit(name="daily_loss", value="2%", preview=True), ""),
        ("limit ESZ6.max_order_qty file", SetLimit(name="ESZ6.max_order_qty", value="file"), "y"),
        ("limit spread_action kill", SetLimit(name="spread_action", value="kill"), "y"),
        ("take control", TakeControl(), ""),
        ("stop trend", StopStrategy(strategy="trend"), "y"),
        ("stop TREND flatten", StopStrategy(strategy="trend", leave="flatten"), "y"),
        ("start trend", Resume(strategy="trend"), "y"),
    ],
)
def test_everything_else(line: str, command: object, confirm: str) -> None:
    assert parse(line, CONTEXT) == Spoken(command, confirm)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "at", "says"),
    [
        ("", "", "say a command"),
        ("byu 2 ESZ6 @ 1", "byu", "did you mean buy?"),
        ("fly", "fly", "there are buy, sell"),
        ("buy", "", "say buy SIZE SYMBOL"),
        ("buy two ESZ6 @ 1", "two", "two is no size"),
        ("buy ESZ6 2 @ 1", "ESZ6", "the size comes first: 2 ESZ6"),
        ("buy -2 ESZ6 @ 1", "-2", "say sell to sell"),
        ("buy 2", "", "of what"),
        ("buy 2 ESZ7 @ 1", "ESZ7", "did you mean ESZ6?"),
        ("buy 2 ESZ6", "", "at what price? Say @ PRICE, or mkt"),
        ("buy 2 ESZ6 5012.25", "5012.25", "written @ 5012.25"),
        ("buy 2 ESZ6 @", "", "what limit price"),
        ("buy 2 ESZ6 @ 5,012.25", "5,012.25", "write 5012.25"),
        ("buy 2 ESZ6 @ 1e3", "1e3", "is no limit price"),
        ("buy 2 ESZ6 @ nan", "nan", "is no limit price"),
        ("sell 2 ESZ6 stop 5008", "", "'trigger 5008' ('stop' protects what fills)"),
        ("buy 2 ESZ6 mkt @ 5000", "mkt", "takes no price"),
        ("buy 2 ESZ6 @ 1 @ 2", "@", "a second limit price"),
        ("buy 2 ESZ6 @ 1 day gtc", "gtc", "one time in force"),
        ("buy 2 ESZ6 @ 1 gtd", "", "until when"),
        ("buy 2 ESZ6 @ 1 gtd 25:00", "25:00", "is no time"),
        ("buy 2 ESZ6 @ 1 gtd 2020-01-01T10:00", "2020-01-01T10:00", "is over"),
        ("buy 2 ESZ6 @ 1 banana", "banana", "there are @, mkt, trigger"),
        ("buy 2 ESZ6 mkt post", "", "post goes with a limit price"),
        ("sell 2 ESZ6 @ 1 reduce stop 2", "sell", "opens nothing"),
        ("modify", "", "say modify ORDER"),
        ("modify manual-3jj01-8 @ 1", "manual-3jj01-8", "did you mean manual-3jj01-7?"),
        ("modify manual-3jj01-7", "", "change what"),
        ("cancel", "", "say which order"),
        ("flatten", "", "or all"),
        ("flatten ESZ6 NQZ6", "NQZ6", "one symbol at a time"),
        ("ack x", "x", "no alert's number"),
        ("reset all", "all", "say reset halt"),
        ("reset control dayly_loss", "dayly_loss", "did you mean daily_loss?"),
        ("kill everything", "everything", "say kill"),
        ("limit", "", "limit what"),
        ("limit ESZ6", "", "to what"),
        ("limit ESZ6 -", "-", "is no figure"),
        ("limit ESZ6 3 4", "4", "one limit at a time"),
        ("take", "", "say take control"),
        ("stop", "", "shutdown stops the engine"),
        ("stop trend kindly", "kindly", "keep, cancel or flatten"),
        ("start nope", "nope", "no strategy nope"),
        ("pause trend too", "too", "one strategy at a time"),
    ],
)
def test_what_is_no_command_is_told_where_and_with_a_remedy(line: str, at: str, says: str) -> None:
    with pytest.raises(Misspoken) as caught:
        parse(line, CONTEXT)
    error = caught.value
    assert says in str(error), str(error)
    assert line[error.start : error.end] == at or (at == "" and error.start >= len(line))


def test_the_place_is_marked_under_the_line() -> None:
    with pytest.raises(Misspoken) as caught:
        parse("buy 2 ESZ7 @ 1", CONTEXT)
    assert caught.value.pointed("buy 2 ESZ7 @ 1").split("\n")[1:] == ["  buy 2 ESZ7 @ 1", "        ^^^^"]


def test_every_word_has_a_form_and_a_help() -> None:
    assert len(HELP) == len(VERBS)
    for name, verb in VERBS.items():
        assert verb.form.split()[0] == name and verb.help


_prices = st.decimals(-100_000, 100_000, places=2, allow_nan=False, allow_infinity=False)
_sizes = st.decimals("0.001", 100_000, places=3)
_names = st.from_regex(r"[A-Za-z][A-Za-z0-9._/-]{0,12}", fullmatch=True).filter(lambda s: s.lower() != "all")
_maybe = st.one_of(st.none(), _prices)


@st.composite
def submits(draw: st.DrawFn) -> Submit:
    limit, stop = draw(_maybe), draw(_maybe)
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    tif = draw(st.sampled_from(TimeInForce))
    reduce_only = draw(st.booleans())
    return Submit(
        symbol=draw(_names),
        side=draw(st.sampled_from(Side)),
        size=draw(_sizes),
        type=kinds[limit is not None, stop is not None],
        limit=limit,
        stop=stop,
        tif=tif,
        expire=draw(st.integers(1, 10**9)) * 10**9 if tif is TimeInForce.GTD else None,
        reduce_only=reduce_only,
        post_only=limit is not None and draw(st.booleans()),
        take_profit=None if reduce_only else draw(_maybe),
        stop_loss=None if reduce_only else draw(_maybe),
        preview=draw(st.booleans()),
    )


_commands = st.one_of(
    submits(),
    st.builds(
        Modify,
        order_id=_names,
        size=st.one_of(st.none(), _sizes),
        limit=_maybe,
        stop=_maybe,
        preview=st.booleans(),
    ).filter(lambda m: (m.size, m.limit, m.stop) != (None, None, None)),
    st.builds(Cancel, order_id=_names),
    st.builds(CancelAll, symbol=st.one_of(st.none(), _names)),
    st.builds(Flatten, symbol=st.one_of(st.none(), _names)),
    st.builds(
        Roll,
        source=_names,
        target=_names,
        size=st.one_of(st.none(), _sizes),
        within=st.one_of(st.none(), st.integers(0, 999)),
        preview=st.booleans(),
    ),
    st.builds(Kill, flatten=st.booleans(), reason=st.just("operator: command line")),
    st.builds(Acknowledge, alert_id=st.one_of(st.none(), st.integers(0, 10**6))),
    st.builds(Adopt, symbol=_names),
    st.builds(Claim, broker_id=_names, strategy=_names),
    st.builds(Pause, strategy=st.one_of(st.none(), _names)),
    st.builds(Resume, strategy=st.one_of(st.none(), _names)),
    st.builds(Reset, scope=st.sampled_from(["halt", "day_loss"])),
    st.builds(Reset, scope=st.sampled_from(["instrument", "control"]), target=_names),
    st.builds(
        SetLimit,
        name=_names,
        value=st.one_of(st.just("file"), st.just("kill"), _sizes.map(lambda d: f"{d:f}%"), _sizes.map(str)),
        preview=st.booleans(),
    ),
    st.builds(StopStrategy, strategy=_names, leave=st.sampled_from(["", "keep", "cancel", "flatten"])),
    st.just(TakeControl()),
    st.just(Reload()),
    st.just(Shutdown()),
    st.builds(Arming, armed=st.booleans()),
    st.builds(Theming, name=st.sampled_from(["", "light", "my-own", "/home/ann/mine.toml"])),
)


@given(command=_commands)
def test_what_is_said_reads_back_as_the_same_command(command: Any) -> None:
    line = say(command)
    assert parse(line).command == command
    assert say(parse(line).command) == line


@given(line=st.text(max_size=60))
def test_no_line_whatever_breaks_the_parser(line: str) -> None:
    try:
        parse(line, CONTEXT)
    except Misspoken as error:
        assert str(error) and 0 <= error.start < error.end


@given(
    line=st.lists(
        st.sampled_from(
            ["buy", "2", "ESZ6", "@", "5000", "stop", "target", "mkt", "gtd", "14:30", "-1", "cancel", "all"]
        ),
        max_size=9,
    ).map(" ".join)
)
def test_any_mix_of_known_words_is_a_command_or_has_a_remedy(line: str) -> None:
    try:
        found = parse(line, CONTEXT).command
    except Misspoken as error:
        assert str(error)
    else:
        assert parse(say(found), CONTEXT).command == found


def test_a_time_of_day_without_a_zone_is_asked_for() -> None:
    with pytest.raises(Misspoken, match="in which zone"):
        parse("buy 1 ES @ 5 gtd 14:30", Context(zone=""))
    found = parse("buy 1 ES @ 5 gtd 2026-11-27T20:30-06:00", Context(zone="")).command
    assert say(found).endswith("gtd 2026-11-28T02:30:00Z")
