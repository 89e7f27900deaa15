"""Opening a session: account, contracts, ticks and margins; market data that are live, or are not."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from brokers.ib import IbContract, market, raw
from brokers.ib.contracts import Resolved, choose, resolve
from brokers.ib.setup import Setup
from brokers.ib.terms import Wanted
from engine.facts import BrokerNotice
from engine.model import NS
from engine.ports import NotSent, QueryFailed
from tests.conformance.benches.ib import IbBench
from tests.conformance.benches.venue import ES
from tests.conformance.suite import B, make, of, recorded, refused, submit, until_filled
from tests.ib.kit import needs_library, play

# -- contracts, without a wire


def details(expiry: str, multiplier: str = "50", con_id: int = 1, **more: object) -> raw.Details:
    contract = raw.Contract(con_id, "ES", "FUT", expiry, multiplier, "CME", "USD", f"ES{expiry}", "ES")
    fields = {
        "req_id": 1,
        "contract": contract,
        "min_tick": Decimal("0.05"),
        "exchanges": "SMART,CME,QBALGO",
        "rules": "1,67,3",
        "magnifier": 1,
        "name": "E-mini",
        "real_expiry": expiry,
        "zone": "US/Central",
    }
    return raw.Details(**{**fields, **more})  # type: ignore[arg-type]


DEC, MAR = details("20251219", con_id=1), details("20260320", con_id=2)
FRONT = IbContract(exchange="CME", expiry="front", roll_days=8)
RULES = {67: ((Decimal(0), Decimal("0.25")),), 1: ((Decimal(0), Decimal("0.05")),)}


def test_exactly_one_contract_or_a_list() -> None:
    with pytest.raises(NotSent, match=r"2 contracts.*con_id=1.*con_id=2"):
        choose("ES", IbContract(exchange="CME"), [DEC, MAR], date(2025, 11, 25))
    with pytest.raises(NotSent, match="knows no contract"):
        choose("ES", IbContract(exchange="CME"), [], date(2025, 11, 25))
    assert choose("ES", IbContract(exchange="CME"), [DEC], date(2025, 11, 25)) is DEC


@pytest.mark.parametrize(
    ("today", "chosen"), [(date(2025, 11, 25), DEC), (date(2025, 12, 10), DEC), (date(2025, 12, 11), MAR)]
)
def test_the_front_month_rolls_before_its_end(today: date, chosen: raw.Details) -> None:
    assert choose("ES", FRONT, [MAR, DEC], today) is chosen


def test_a_month_that_delivers_is_left_before_its_first_notice() -> None:
    gold = IbContract(exchange="CME", expiry="front", roll_days=8, notice_days=29)
    assert choose("ES", gold, [MAR, DEC], date(2025, 11, 11)) is DEC
    assert choose("ES", gold, [MAR, DEC], date(2025, 11, 12)) is MAR
    found = resolve("ES", gold, DEC, RULES)
    assert found.instrument.ends == int(datetime(2025, 11, 20, tzinfo=UTC).timestamp()) * NS
    (text,) = Setup.warnings(found, date(2025, 11, 15))
    assert "last safe day is 2025-11-20 (5 days)" in text and "notice_days" not in text


def test_twins_by_multiplier_are_not_guessed() -> None:
    micro = details("20251219", multiplier="5", con_id=3)
    with pytest.raises(NotSent, match="multiplier"):
        choose("ES", FRONT, [DEC, micro], date(2025, 11, 25))


def test_the_tick_is_that_of_the_rule_at_our_exchange() -> None:
    """minTick is the smallest over all exchanges and prices."""
    found = resolve("ES", FRONT, DEC, RULES)
    assert (found.instrument.tick, found.instrument.multiplier) == (Decimal("0.25"), Decimal(50))


def test_a_rule_with_several_steps_is_checked_at_the_price() -> None:
    steps = ((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10")))
    found = resolve("ES", FRONT, DEC, {67: steps})
    assert found.instrument.tick == Decimal("0.05")
    assert found.objection(59) == "" and found.objection(61) != "" and found.objection(62) == ""


def test_a_price_magnifier_scales_quotes_back() -> None:
    found = resolve("ZC", FRONT, details("20251219", magnifier=100), {67: ((Decimal(0), Decimal("0.25")),)})
    assert found.instrument.tick == Decimal("0.0025") and found.magnifier == 100


def test_the_end_of_a_contract_is_announced() -> None:
    found = resolve("ES", FRONT, DEC, RULES)
    assert Setup.warnings(found, date(2025, 11, 25)) == []
    (text,) = Setup.warnings(found, date(2025, 12, 12))
    assert "2025-12-19" in text and "7 days" in text


def test_unset_figures_are_unknown() -> None:
    for unset in ("", None, "1.7976931348623157E308", float("nan"), float("inf"), 1.7976931348623157e308):
        assert raw.number(unset) is None
    assert raw.number(0.0) == 0 and raw.number("-3.25") == Decimal("-3.25")


# -- over the wire


@needs_library
def test_an_ambiguous_contract_is_refused_with_the_list() -> None:
    async def script(bench: IbBench) -> None:
        with pytest.raises(NotSent, match=r"ES may be 2 contracts.*con_id="):
            await bench.adapter.connect()
        with pytest.raises(NotSent):
            bench.adapter.submit(recorded(make(bench, B, 1, 99)))

    play(script, connect=False, contracts={"ES": IbContract(exchange="CME")})


@needs_library
def test_a_contract_that_ib_does_not_know() -> None:
    async def script(bench: IbBench) -> None:
        with pytest.raises(NotSent, match="knows no contract for NQX"):
            await bench.adapter.connect()

    play(script, connect=False, contracts={"NQX": IbContract(exchange="CME")})


@needs_library
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"account": "DU9999999"}, r"logged on for DU1234567.*account to trade is DU9999999"),
        ({"real_money": True}, "simulated money and the profile is for real money"),
    ],
)
def test_the_account_must_be_the_one_that_is_meant(settings: dict[str, object], says: str) -> None:
    async def script(bench: IbBench) -> None:
        with pytest.raises(NotSent, match=says):
            await bench.adapter.connect()

    play(script, connect=False, **settings)


@needs_library
def test_a_live_account_is_refused_for_simulated_money() -> None:
    async def script(bench: IbBench) -> None:
        with pytest.raises(NotSent, match="real money and the profile is for simulated money"):
            await bench.adapter.connect()

    play(script, connect=False, account="U1234567", tws={"accounts": ("U1234567",)})


@needs_library
def test_one_of_several_accounts_is_traded() -> None:
    async def script(bench: IbBench) -> None:
        await until_filled(bench, await submit(bench, B, 2), 2)
        values = await bench.adapter.account_values()
        assert values.account == "DU7654321" and values.initial_margin == 24_000

    play(script, account="DU7654321", tws={"accounts": ("DU1234567", "DU7654321")})


@needs_library
def test_nobody_answers_on_the_port() -> None:
    async def script(bench: IbBench) -> None:
        with pytest.raises(NotSent, match="enable its API"):
            await bench.adapter.connect()

    play(script, connect=False, port=1)


@needs_library
def test_margins_are_asked_by_what_if() -> None:
    async def script(bench: IbBench) -> None:
        (es,) = await bench.adapter.instruments()
        assert (es.initial_margin, es.maintenance_margin) == (ES.initial_margin, ES.maintenance_margin)
        assert es.margin_known
        assert not bench.gateway.trading.book.open() and (await bench.truth()).orders == ()

    play(script, what_if=True, contracts={"ES": FRONT.model_copy(update={"roll_days": 0})})


@needs_library
def test_a_what_if_without_an_answer_leaves_the_margin_unknown() -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.script.ignore("place_order")
        await bench.adapter.connect()
        (es,) = await bench.adapter.instruments()
        assert not es.margin_known and "no answer" in bench.ib.setup.refused_orders

    contracts = {"ES": FRONT.model_copy(update={"roll_days": 0})}
    play(script, connect=False, what_if=True, contracts=contracts, answer_within=0.3)


@needs_library
def test_read_only_is_seen_by_the_what_if() -> None:
    async def script(bench: IbBench) -> None:
        assert "Read-Only" in bench.ib.setup.refused_orders
        assert any(n.code == "orders" and "Read-Only" in n.text for n in of(bench, BrokerNotice))

    contracts = {"ES": FRONT.model_copy(update={"roll_days": 0})}
    play(script, tws={"read_only": True}, what_if=True, contracts=contracts)


@needs_library
def test_an_order_is_asked_about_in_its_own_time() -> None:
    """Nothing is placed, and orders leave while it waits."""

    async def script(bench: IbBench) -> None:
        assert bench.adapter.capabilities.what_if
        assert await bench.adapter.what_if("ES", B, 3) == 3 * ES.initial_margin
        bench.gateway.script.hold("open_order")
        asked = asyncio.ensure_future(bench.adapter.what_if("ES", B, 1))
        await submit(bench, B, 2, 99)
        assert not asked.done() and len(bench.gateway.trading.book.open()) == 1
        bench.gateway.script.release()
        assert await asked == ES.initial_margin
        with pytest.raises(QueryFailed, match=r"ZZ.*ib\.contracts"):
            await bench.adapter.what_if("ZZ", B, 1)

    play(script, what_if=True, contracts={"ES": FRONT.model_copy(update={"roll_days": 0})})


@needs_library
@pytest.mark.parametrize(
    ("tws", "says"), [({"read_only": True}, "Read-Only"), ({"what_if": "unset"}, "no answer")]
)
def test_a_what_if_that_is_refused_or_unset_is_a_failed_question(tws: dict[str, object], says: str) -> None:
    async def script(bench: IbBench) -> None:
        with pytest.raises(QueryFailed, match=says):
            await bench.adapter.what_if("ES", B, 1)
        await bench.adapter.probe()

    contracts = {"ES": FRONT.model_copy(update={"roll_days": 0})}
    play(script, tws=tws, what_if=True, contracts=contracts, answer_within=0.3)


@needs_library
def test_a_margin_of_the_configuration_is_not_asked() -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.script.ignore("place_order")
        assert await bench.adapter.what_if("ES", B, 2) == 2 * ES.initial_margin

    play(script, what_if=True)


# -- market data


async def watch(bench: IbBench) -> list[tuple[str, raw.Ticks]]:
    seen: list[tuple[str, raw.Ticks]] = []
    bench.ib.on_ticks(lambda where, ticks: seen.append((where.instrument.symbol, ticks)))
    bench.adapter.subscribe(("ES",))
    await bench.settle()
    return seen


@needs_library
def test_quotes_come_with_their_sizes() -> None:
    async def script(bench: IbBench) -> None:
        seen = await watch(bench)
        await bench.quote(102, 7, 103, 9)
        await bench.until(lambda: bool(seen) and seen[-1][1].bid == 25.5, "the quote")
        symbol, ticks = seen[-1]
        assert (symbol, ticks.bid_size, ticks.ask, ticks.ask_size) == ("ES", 7, 25.75, 9)

    play(script)


@needs_library
def test_data_that_are_not_subscribed_are_said() -> None:
    async def script(bench: IbBench) -> None:
        seen = await watch(bench)
        await bench.until(lambda: any(n.code == "354" for n in of(bench, BrokerNotice)), "code 354")
        assert not seen and "ES" in bench.ib.market.absent

    play(script, tws={"market_data": "none"})


@needs_library
def test_delayed_data_never_pass_as_live() -> None:
    async def script(bench: IbBench) -> None:
        seen = await watch(bench)
        await bench.quote(102, 7, 103, 9)
        await bench.settle()
        assert not seen and "ES" in bench.ib.market.absent

    play(script, tws={"market_data": "delayed"})


@needs_library
def test_delayed_data_are_taken_where_they_are_asked_for() -> None:
    async def script(bench: IbBench) -> None:
        seen = await watch(bench)
        await bench.quote(102, 7, 103, 9)
        await bench.until(lambda: bool(seen), "delayed ticks")

    play(script, tws={"market_data": "delayed"}, market_data="delayed")


@needs_library
def test_1101_and_a_new_session_subscribe_again() -> None:
    async def script(bench: IbBench) -> None:
        seen = await watch(bench)
        bench.gateway.lose_server()
        await bench.settle()
        bench.gateway.restore_server(data_lost=True)
        await bench.settle()
        await bench.quote(104, 7, 105, 9)
        await bench.until(lambda: bool(seen) and seen[-1][1].bid == 26.0, "quotes after 1101")
        await bench.drop()
        await bench.adapter.connect()
        await bench.settle()
        await bench.quote(106, 7, 107, 9)
        await bench.until(lambda: seen[-1][1].bid == 26.5, "quotes after a new session")

    play(script)


@needs_library
def test_a_farm_that_comes_back_is_asked_again() -> None:
    async def script(bench: IbBench) -> None:
        seen = await watch(bench)
        bench.gateway.farm(2103, "usfuture")
        for client in bench.gateway.clients.values():
            client.ticks.clear()
        bench.gateway.farm(2104, "usfuture")
        await bench.settle()
        await bench.quote(104, 7, 105, 9)
        await bench.until(lambda: bool(seen) and seen[-1][1].bid == 26.0, "quotes after 2104")

    play(script)


@needs_library
@pytest.mark.parametrize("code", [10182, 10197])
def test_data_that_were_taken_away_are_asked_for_again(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "AGAIN", 1)

    async def script(bench: IbBench) -> None:
        seen = await watch(bench)
        (number,) = bench.ib.market._symbols
        for client in bench.gateway.clients.values():
            client.ticks.clear()
        bench.gateway.error(code, "no market data during a competing live session", number)
        await bench.until(lambda: "ES" in bench.ib.market.absent, "the word about it")
        await bench.adapter.probe()
        await bench.adapter.probe()
        await bench.settle()
        assert number not in bench.ib.market._symbols
        await bench.quote(104, 7, 105, 9)
        await bench.until(lambda: bool(seen) and seen[-1][1].bid == 26.0, "quotes again")
        assert "ES" not in bench.ib.market.absent

    play(script)


@needs_library
def test_a_symbol_without_a_contract_is_refused() -> None:
    async def script(bench: IbBench) -> None:
        with pytest.raises(NotSent, match=r"ZZ.*ib\.contracts"):
            bench.adapter.subscribe(("ZZ",))
        assert refused(lambda: bench.adapter.submit(recorded(make(bench, B, 1, 99, symbol="ZZ"))))

    play(script)


@needs_library
def test_a_hung_log_on_question_is_a_failed_attempt() -> None:
    async def script(bench: IbBench) -> None:
        bench.gateway.script.ignore("executions")
        with pytest.raises(NotSent, match="did not answer"):
            await bench.adapter.connect()
        with pytest.raises(QueryFailed):
            await bench.adapter.executions(0)
        await bench.adapter.connect()
        assert (await bench.adapter.executions(0)).fills == ()

    play(script, connect=False, answer_within=0.3)


def test_steps_are_in_ib_s_prices() -> None:
    found = Resolved(ES, Wanted(), 100, ((Decimal(0), Decimal(25)), (Decimal(1000), Decimal(50))), None)
    assert found.objection(3) == "" and found.objection(41) != "" and found.objection(42) == ""
