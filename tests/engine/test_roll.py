"""Rolling from one month to another: what it does, in what order, whom it belongs to, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.control.commands import Kill, Pause, Roll, StopStrategy
from engine.control.replies import StoryTold
from engine.model import NS, OrderType, Side
from engine.records import Intended, RollEnded, RollStarted
from tests.engine.operator_kit import journalled
from tests.engine.rig import CL, START, Rig
from tests.engine.roll_kit import DAY, FAR, NEAR, ROLL, begin, bracketed, held, hold, play, sent, sized


@pytest.mark.parametrize("sign", [1, -1])
def test_it_closes_one_month_then_opens_the_other(sign: int) -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3 * sign)
        answer = await rig.command(ROLL)
        assert answer.ok and "rolled 3 of 3 ESH6 to ESM6" in answer.text, answer.text
        assert "ESM6 has no stop or target" in answer.text
        assert held(rig) == (0, 3 * sign)
        first, second = sent(rig, "ESH6")[-1], sent(rig, "ESM6")[-1]
        closing = rig.engine.core.books.orders.get(first.order_id)
        opening = rig.engine.core.books.orders.get(second.order_id)
        assert closing is not None and opening is not None
        # Marketable limits, two ticks beyond the far touch.
        assert closing.order.type is OrderType.LIMIT and opening.order.type is OrderType.LIMIT
        assert closing.order.limit == (24_000 - 2 if sign > 0 else 24_001 + 2)
        assert opening.order.limit == (24_041 + 2 if sign > 0 else 24_040 - 2)
        assert closing.first_fill <= opening.recorded, "nothing is opened before something was closed"
        assert closing.order.correlation == opening.order.correlation
        records = await journalled(rig)
        began = next(i for i, r in enumerate(records) if isinstance(r, RollStarted))
        ended = next(r for r in records if isinstance(r, RollEnded))
        stored = [
            i
            for i, r in enumerate(records)
            if getattr(getattr(r, "order", None), "correlation", "") == records[began].roll
        ]
        assert began < min(stored) and (ended.outcome, ended.closed, ended.opened) == ("rolled", 3, 3)
        assert not rig.engine.core.books.rolls.active and "roll_half" not in rig.alerts()

    play(script)


def test_its_story_is_told_whole() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 2)
        await rig.command(ROLL)
        await rig.sleep(1)
        order = sent(rig, "ESM6")[-1].order_id
        told: list[Any] = []
        rig.engine.answers.stories.tell(order, told.append)
        await rig.sleep(1)
        assert isinstance(told[0], StoryTold)
        texts = [line.text for line in told[0].lines]
        assert any("rolls 2 ESH6 to ESM6" in text for text in texts), texts
        assert any("the roll is over: rolled 2 of 2" in text for text in texts)
        assert any("roll ESH6" in text for text in texts), "who commanded it"

    play(script)


def test_as_much_is_opened_as_was_closed_while_it_fills_in_parts() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        rig.quoting = False
        rig.sizes["ESH6"] = 1
        rig.quote_all()
        seen = []
        answers = begin(rig)
        for step in range(8):
            for _ in range(10):
                await rig.sleep(0.05)
                seen.append(held(rig))
            rig.quote("ESH6", 24_000 - step % 2, 24_002, 1)
            rig.quote("ESM6", *rig.touch["ESM6"])
        assert answers[-1].final and answers[-1].ok, answers[-1].text
        assert all(near + far <= 3 for near, far in seen) and {(2, 1), (1, 2)} <= set(seen), seen
        assert held(rig) == (0, 3) and [o.qty for o in sent(rig, "ESM6")] == [1, 1, 1]

    play(script)


def test_some_of_it_can_be_rolled_and_the_rest_stays() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 5)
        answer = await rig.command(sized("2", within=4))
        assert answer.ok and held(rig) == (3, 2)
        assert rig.engine.core.books.orders.get(sent(rig, "ESH6")[-1].order_id).order.limit == 24_000 - 4  # type: ignore[union-attr]

    play(script)


def test_what_is_not_filled_in_time_is_taken_back_and_said() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        rig.sizes["ESH6"] = 2
        rig.quoting = False
        rig.quote_all()
        answers = begin(rig)
        await rig.sleep(0.3)
        rig.touch["ESH6"] = (23_990, 23_991)  # the market leaves the order behind
        rig.quoting = True
        await rig.sleep(6)
        assert answers[-1].final and not answers[-1].ok
        assert "rolled 2 of 3 ESH6 to ESM6, 1 left in ESH6; not filled within 3 s" in answers[-1].text
        assert held(rig) == (1, 2) and "roll" in rig.alerts() and "roll_half" not in rig.alerts()
        assert not rig.engine.core.books.orders.working("ESH6")

    play(script, config={"roll": {"patience": 3.0}})


def test_an_opening_leg_that_the_gate_refuses_leaves_a_half_done_roll_and_an_alarm() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        rig.sizes["ESH6"] = 1
        rig.quoting = False
        rig.quote_all()
        answers = begin(rig)
        await rig.sleep(1)
        assert held(rig) == (2, 1)
        # The far month's market has gone wide: what opens is refused there from now on.
        rig.quote("ESM6", 24_000, 24_060)
        await rig.sleep(0.1)
        rig.quote("ESH6", 24_000, 24_001, 50)
        await rig.sleep(3)
        assert answers[-1].final and not answers[-1].ok
        assert "ROLL HALF DONE: closed 3 ESH6, opened 1 ESM6; the opening leg was refused by spread" in (
            answers[-1].text
        )
        assert held(rig) == (0, 1) and "roll_half" in rig.alerts()
        await rig.sleep(30)
        assert held(rig) == (0, 1), "nobody but a person tries it again"

    play(script)


def test_an_opening_leg_that_the_venue_refuses_is_not_tried_again() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 2)
        through = rig.adapter.submit

        def submit(recorded: Any) -> None:
            if recorded.request.symbol == "ESM6":
                rig.exchange.faults.arm("reject_new")
            through(recorded)

        rig.adapter.submit = submit  # type: ignore[method-assign]
        answer = await rig.command(ROLL)
        assert not answer.ok and "closed 2 ESH6, opened 0 ESM6" in answer.text, answer.text
        assert "is REJECTED" in answer.text and "roll_half" in rig.alerts()
        await rig.sleep(20)
        assert held(rig) == (0, 0) and len(sent(rig, "ESM6")) == 1

    play(script)


def test_an_opening_order_that_is_not_filled_in_time_ends_it() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 2)
        rig.sizes["ESM6"] = 1
        rig.quoting = False
        rig.quote_all()
        answers = begin(rig)
        await rig.sleep(0.4)
        assert held(rig) == (0, 1)
        rig.touch["ESM6"] = (24_060, 24_061)
        rig.quoting = True
        await rig.sleep(6)
        assert "closed 2 ESH6, opened 1 ESM6; the opening order was not filled in time" in answers[-1].text
        assert "roll_half" in rig.alerts() and not rig.engine.core.books.orders.working("ESM6")

    play(script, config={"roll": {"patience": 3.0}})


@pytest.mark.parametrize("what", ["kill", "pause", "halt", "link"])
def test_whatever_halts_trading_ends_it_and_no_new_leg_leaves(what: str) -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 4)
        rig.sizes["ESH6"] = 1
        rig.quoting = False
        rig.quote_all()
        answers = begin(rig)
        await rig.sleep(1)
        near, far = held(rig)
        assert (near, far) == (3, 1)
        if what == "kill":
            rig.engine.command(Kill(flatten=False, reason="test"), "bob")
        elif what == "pause":
            rig.engine.command(Pause(), "bob")
        elif what == "halt":
            rig.engine.halt("instrument", "ESM6", "drift", "test")
        else:
            rig.exchange.drop_link(rig.config.account, down_for=5 * NS)
        before = len(sent(rig, "ESM6"))
        rig.sizes["ESH6"] = 50
        rig.quoting = True
        await rig.sleep(20)
        assert len(sent(rig, "ESM6")) == before, "no new leg"
        assert answers[-1].final and not answers[-1].ok, answers
        near, far = held(rig)
        ended = next(r for r in await journalled(rig) if isinstance(r, RollEnded))
        assert (ended.closed, ended.opened) == (4 - near, far)
        assert ("roll_half" if 4 - near != far else "roll") in rig.alerts()

    play(script)


@pytest.mark.parametrize("worked_by", ["engine", "venue"])
def test_the_protection_of_the_old_month_shrinks_and_none_is_made_for_the_new(worked_by: str) -> None:
    """At the loopback TWS the stop of a bracket that the venue works stood on at its size, with nothing left
    to protect."""

    async def script(rig: Rig) -> None:
        await bracketed(rig, 3)
        asked = await rig.command(replace(sized("2"), preview=True))
        assert asked.ok, asked.text
        assert "shrink to what is left of it" in asked.data["meaning"]
        assert "NO stop or target is made for ESM6" in asked.data["meaning"]
        answer = await rig.command(sized("2"))
        assert answer.ok, answer.text
        orders = rig.engine.core.books.orders
        await rig.sleep(2)
        assert held(rig) == (1, 2)
        assert [(r.order.symbol, r.life.leaves) for r in orders.working()] == [("ESH6", 1)] * 2
        assert (
            all(r.order.id in answer.text for r in orders.working()) and "still protect ESH6" in answer.text
        )
        await rig.sleep(8)
        answer = await rig.command(ROLL)
        assert answer.ok and "protect" not in answer.text, answer.text
        await rig.sleep(2)
        assert held(rig) == (0, 3) and not orders.working(), "nothing that could open it again"

    play(script, config={"orders": {"brackets": worked_by}})


def test_a_stop_that_was_placed_alone_stays_and_is_told_of() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 2)
        stop, _ = rig.send(Side.SELL, 2, None, symbol="ESH6", type=OrderType.STOP, stop=23_900)
        await rig.sleep(8)
        asked = await rig.command(replace(ROLL, preview=True))
        assert f"Stops placed alone in ESH6 ({stop.id}) STAY as they are" in asked.data["meaning"]
        answer = await rig.command(ROLL)
        assert answer.ok and held(rig) == (0, 2)
        assert f"nothing is left of ESH6, where {stop.id} still works: cancel that" in answer.text
        assert rig.status(stop) == "WORKING" and "roll" in rig.alerts()

    play(script)


def test_a_preview_says_what_it_would_do_and_leaves_no_trace() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        before = len(await journalled(rig))
        answer = await rig.command(replace(ROLL, preview=True))
        assert answer.ok and rig.position("ESH6") == 3
        meaning = answer.data["meaning"]
        assert "Close 3 ESH6 long at about 6000.00, then open 3 ESM6 long at about 6010.25" in meaning
        assert "It costs 1 tick each (half of both spreads), 37.50 USD, and fees of 13.50" in meaning
        assert "ESM6 is +10.25 from ESH6" in meaning
        assert len(await journalled(rig)) == before

    play(script)


def test_a_stop_that_fills_meanwhile_ends_it_before_more_is_closed_than_is_held() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        stop, refusal = rig.send(Side.SELL, 2, None, symbol="ESH6", type=OrderType.STOP, stop=23_996)
        assert refusal is None
        await rig.sleep(8)
        rig.quoting = False
        rig.sizes["ESH6"] = 1
        rig.quote_all()
        answers = begin(rig)
        await rig.sleep(0.5)
        assert held(rig) == (2, 1)
        # The market falls through the stop, and past the closing order's limit.
        rig.quote("ESH6", 23_990, 23_991, 50)
        rig.trade("ESH6", 23_990, 10, Side.SELL)
        await rig.sleep(5)
        near, far = held(rig)
        assert answers[-1].final and not answers[-1].ok, answers
        assert rig.status(stop) == "FILLED" and near + far <= 3
        assert "others traded ESH6 too: 0 lots are left" in answers[-1].text, answers[-1].text
        assert not rig.engine.core.books.orders.working("ESH6")

    play(script)


def test_margin_that_the_old_month_still_takes_by_the_brokers_figure_is_waited_for() -> None:
    """Both months at once would be too much; one after the other is not."""

    async def script(rig: Rig) -> None:
        await hold(rig, 4)
        answer = await rig.command(ROLL)
        assert answer.ok, answer.text
        assert held(rig) == (0, 4)

    play(script, cash=100_000)


# ---- whose it is


def test_the_lots_of_a_stopped_strategy_are_closed_as_its_own_and_opened_as_the_persons() -> None:
    async def script(rig: Rig) -> None:
        books = rig.engine.core.books
        _, refusal = rig.send(Side.BUY, 3, symbol="ESH6", strategy="trend")
        assert refusal is None
        await rig.sleep(8)
        rig.engine.core.commit(Intended(strategy="trend", symbol="ESH6", lots=3))
        refused = await rig.command(ROLL)
        assert not refused.ok and "trend runs and holds or intends ESH6" in refused.text
        assert "'stop trend keep' first" in refused.text
        assert (await rig.command(StopStrategy(strategy="trend", leave="keep"))).ok
        await rig.sleep(2)
        answer = await rig.command(ROLL)
        assert answer.ok, answer.text
        assert books.positions.strategy_qty("trend", "ESH6") == 0
        assert books.positions.strategy_qty("manual", "ESH6") == 0
        assert books.positions.strategy_qty("manual", "ESM6") == 3
        assert not books.positions.get("ESH6").intended, "nothing buys it back"
        await rig.sleep(10)
        assert held(rig) == (0, 3)

    strategy = {"name": "trend", "module": "tests.engine.quiet:Quiet", "symbols": ("ESH6",)}
    play(script, config={"strategies": (strategy,)})


# ---- what is refused


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (Roll(source="ESX6", target="ESM6"), "no instrument ESX6"),
        (Roll(source="ESH6", target="ESX6"), "Both months of a roll must be configured"),
        (Roll(source="ESH6", target="ESH6"), "cannot be rolled to itself"),
        (Roll(source="ESH6", target="CL"), "no two months of one product"),
        (Roll(source="ESM6", target="ESH6"), "no position in ESM6"),
        (sized("4"), "roll 1 to that many"),
        (sized("0"), "roll 1 to that many"),
        (sized("1.5"), "is not on its lot"),
        (sized("1", within=-1), "below zero"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(command: Roll, says: str) -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        answer = await rig.command(command)
        assert not answer.ok and says in answer.text, answer.text
        assert held(rig) == (3, 0) and not rig.engine.core.books.rolls.active

    play(script)


def test_months_that_differ_in_more_than_the_month_are_refused() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        answer = await rig.command(ROLL)
        assert not answer.ok and "differ in multiplier (50 and 5)" in answer.text

    play(script, instruments=(NEAR, replace(FAR, multiplier=Decimal(5)), CL))


def test_a_month_in_its_own_last_days_is_no_place_to_go_to() -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        answer = await rig.command(ROLL)
        assert not answer.ok and "ESM6 ends: last safe day" in answer.text

    play(script, instruments=(NEAR, replace(FAR, ends=START + DAY), CL))


def test_the_old_month_can_be_left_in_its_last_days() -> None:
    async def script(rig: Rig) -> None:
        await hold_before_its_end(rig)
        answer = await rig.command(ROLL)
        assert answer.ok, answer.text
        assert held(rig) == (0, 3)

    async def hold_before_its_end(rig: Rig) -> None:
        await hold(rig, 3)
        books = rig.engine.core.books
        books.instruments["ESH6"] = replace(NEAR, ends=rig.clock.now() + DAY)

    play(script)


@pytest.mark.parametrize(
    "what", ["halted", "paused", "instrument", "stale", "one-sided", "drift", "under way"]
)
def test_it_does_not_begin_while_trading_is_in_doubt(what: str) -> None:
    async def script(rig: Rig) -> None:
        await hold(rig, 3)
        says = {
            "halted": "halted",
            "paused": "paused",
            "instrument": "ESM6 is halted",
            "stale": "the quotes of ESM6 are stale",
            "one-sided": "the quotes of ESM6 are",
            "drift": "not been compared with the broker",
            "under way": "is being rolled to ESM6",
        }[what]
        match what:
            case "halted":
                rig.engine.halt("account", "", "test", "test")
            case "paused":
                await rig.command(Pause())
            case "instrument":
                rig.engine.halt("instrument", "ESM6", "test", "test")
            case "stale":
                rig.quoting = False
                for _ in range(60):
                    await rig.sleep(0.2)
                    rig.quote("ESH6", 24_000, 24_001)
            case "one-sided":
                rig.quoting = False
                rig.quote("ESM6", None, 24_041)
                await rig.sleep(2)
            case "drift":
                await rig.fill(Side.BUY, 1, "ESH6")
            case "under way":
                rig.sizes["ESH6"] = 0
                rig.quoting = False
                rig.quote_all()
                begin(rig, sized("1"))
                rig.quoting = True
        before = held(rig)
        answer = await rig.command(ROLL)
        assert not answer.ok and says in answer.text, answer.text
        assert held(rig) == before

    play(script)
