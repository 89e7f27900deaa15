"""What a running engine answers its screens: stories, markets and the day, from real books and journals."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from app.drill.world import Plan, World
from app.session import Fanout
from brokers.exchange.orderbook import OrderBook
from engine import answers_market
from engine.config import EngineConfig, JournalConfig
from engine.control.commands import Reset
from engine.control.questions import (
    MAX_PRINTS,
    AnyQuestion,
    AnyReply,
    DayOf,
    LogTail,
    MarketOf,
    StoryOf,
)
from engine.control.replies import DaySeen, Declined, MarketSeen, Reply, StoryTold
from engine.feeds.open import open_feed
from engine.model import NS, Side
from engine.recorder.recent import RecentRows
from tests.engine.rig import Rig
from tests.feeds.recordings import recording

D = Decimal
R = TypeVar("R", bound=Reply)


def ask(rig: World, question: AnyQuestion, kind: type[R]) -> R:
    """The answer, which comes at once."""
    got: list[AnyReply] = []
    rig.engine.answers.ask(question, got.append)
    assert len(got) == 1
    assert isinstance(got[0], kind), got[0]
    return got[0]


# -- stories


def test_the_story_of_a_fill_goes_from_the_order_to_the_position() -> None:
    async def script(rig: Rig) -> None:
        order = await rig.fill(Side.BUY, 3)
        await rig.fill(Side.BUY, 2)
        told = ask(rig, StoryOf(ident=order.id), StoryTold)
        assert told.symbol == "ES"
        assert order.id in told.orders and order.correlation in told.correlations
        texts = [line.text for line in told.lines]
        assert "buy 3 ES at 6000.25" in texts[0] and "on disk before it is sent" in texts[0]
        assert texts[1] == "sent to the broker"
        assert any("acknowledges" in text for text in texts)
        assert "bought 3 ES at 6000.25" in texts[-1]
        assert "position 0 → 3, booked to manual" in texts[-1]
        assert [line.row for line in told.lines] == sorted(line.row for line in told.lines)
        stages = [at.stage for at in told.latencies]
        assert "sent→acknowledged" in stages and "sent→first fill" in stages
        by_name = {at.stage: at.ns for at in told.latencies}
        assert 0 < by_name["sent→acknowledged"] <= by_name["sent→first fill"] < NS
        assert ask(rig, StoryOf(ident=order.correlation), StoryTold).lines == told.lines

    Rig.play(script)


def test_the_story_of_a_refused_order_says_what_refused_it() -> None:
    async def script(rig: Rig) -> None:
        order, refusal = rig.send(Side.BUY, 1, 30_000)
        assert refusal is not None
        await rig.sleep(0.1)
        told = ask(rig, StoryOf(ident=order.id), StoryTold)
        assert "the gate refuses" in told.lines[0].text and refusal.control in told.lines[0].text
        assert told.latencies == ()

    Rig.play(script)


def test_an_alarm_leads_to_what_it_was_about() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("reject_new")
        order, _ = rig.send(Side.SELL, 1, 24_050)
        await rig.sleep(0.3)
        alert = next(a for a in rig.engine.core.books.alerts.rows(500) if a.code == "rejected")
        told = ask(rig, StoryOf(ident=f"#{alert.id}"), StoryTold)
        assert order.id in told.orders
        assert any(line.text.startswith(f"ALARM {alert.id}") for line in told.lines)
        assert "nothing" in ask(rig, StoryOf(ident="#9999"), Declined).text

    Rig.play(script)


def test_what_is_older_than_memory_is_read_from_the_journal(tmp_path: Path) -> None:
    """After a restart (this rig keeps nothing of the last run at hand) and once rows were forgotten."""
    ids: list[str] = []

    async def first(rig: Rig) -> None:
        ids.append((await rig.fill(Side.BUY, 3)).id)

    async def second(rig: Rig) -> None:
        got: list[AnyReply] = []
        rig.engine.answers.ask(StoryOf(ident=ids[0]), got.append)
        rig.engine.answers.ask(StoryOf(ident="nobody"), got.append)
        assert [type(r) for r in got] == [Declined], "one story at a time is read from the disk"
        await rig.sleep(0.1)
        told = got[1]
        assert isinstance(told, StoryTold)
        assert "on disk before it is sent" in told.lines[0].text
        assert "position 0 → 3" in told.lines[-1].text
        rig.engine.answers.ask(StoryOf(ident="nobody"), got.append)
        await rig.sleep(0.1)
        assert isinstance(got[2], Declined) and "'nobody'" in got[2].text

    Rig.play(first, directory=tmp_path)
    Rig.play(second, directory=tmp_path)


def test_recent_rows_forget_the_oldest_and_nothing_else() -> None:
    async def script(rig: Rig) -> None:
        small = RecentRows(kept=4)
        rows = [row async for row in rig.journal.rows()]
        orders = [row for row in rows if row.order_id]
        small.extend(rows)
        assert len(small) == 4
        kept = [row for row in rows if row.order_id or row.correlation or row.kind == "alert"]
        assert small.forgotten == kept[-5].seq
        for row in kept[-4:]:
            found = small.about(row.order_id or row.correlation)
            assert found[-1].seq >= row.seq and {r.seq for r in found} <= {r.seq for r in kept[-4:]}
        assert small.about(orders[0].order_id) == []

    async def traded(rig: Rig) -> None:
        for qty in (1, 2, 3):
            await rig.fill(Side.BUY, qty)
        await script(rig)

    Rig.play(traded)


# -- a market


def test_a_market_shows_its_touch_our_orders_and_their_estimated_place() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 2, 24_000)
        await rig.sleep(0.3)
        seen = ask(rig, MarketOf(symbol="ES"), MarketSeen)
        assert (seen.bid, seen.ask) == (D("6000.00"), D("6000.25"))
        assert (seen.bid_size, seen.ask_size) == (D(50), D(50))
        assert seen.depth == "top" and "no depth" in seen.depth_text
        assert [(level.price, level.orders) for level in seen.bids] == [(D("6000.00"), None)]
        (own,) = seen.own
        assert (own.id, own.side, own.price, own.leaves) == (order.id, "BUY", D("6000.00"), D(2))
        assert own.ahead == 50 and not own.ahead_exact
        rig.trade("ES", 24_000, 30, Side.SELL)
        seen = ask(rig, MarketOf(symbol="ES"), MarketSeen)
        assert seen.own[0].ahead == 20
        assert "there are CL, ES" in ask(rig, MarketOf(symbol="XX"), Declined).text
        market = rig.engine.core.markets.by_symbol["ES"]
        market.instrument = msgspec.structs.replace(market.instrument, lot=D("0.5"))
        seen = ask(rig, MarketOf(symbol="ES"), MarketSeen)
        assert (seen.tick, seen.lot) == (D("0.25"), D("0.5"))

    Rig.play(script)


def test_without_anybody_who_knows_a_place_in_the_queue_is_unknown() -> None:
    async def script(rig: Rig) -> None:
        object.__setattr__(rig.engine.parts, "depth", None)
        rig.send(Side.BUY, 2, 24_000)
        await rig.sleep(0.3)
        assert ask(rig, MarketOf(symbol="ES"), MarketSeen).own[0].ahead is None

    Rig.play(script)


def test_the_tape_is_numbered_and_told_from_where_the_reader_is() -> None:
    async def script(rig: Rig) -> None:
        for n in range(MAX_PRINTS + 20):
            rig.trade("ES", 24_000 + n % 2, 1 + n % 3, Side.BUY if n % 2 else Side.SELL)
        seen = ask(rig, MarketOf(symbol="ES", prints=MAX_PRINTS), MarketSeen)
        assert seen.last_print == MAX_PRINTS + 20
        assert [p.n for p in seen.prints] == list(range(21, MAX_PRINTS + 21))
        assert seen.prints_missed == 20
        assert seen.prints[-1].aggressor == "B" and seen.prints[-1].price == D("6000.25")
        rig.trade("ES", 24_000, 7, Side.SELL)
        seen = ask(rig, MarketOf(symbol="ES", tape_after=seen.last_print), MarketSeen)
        assert [(p.n, p.size) for p in seen.prints] == [(MAX_PRINTS + 21, D(7))]
        assert ask(rig, MarketOf(symbol="ES", tape_after=seen.last_print), MarketSeen).prints == ()

    Rig.play(script)


def test_bars_come_from_prints_or_else_from_the_middle_and_fills_are_marked_on_them() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(60 - (rig.clock.now() // NS) % 60 + 0.5)
        for price in (24_002, 24_006, 24_001, 24_004):
            rig.trade("ES", price, 2, Side.BUY)
        order = await rig.fill(Side.BUY, 1)
        await rig.sleep(60)
        seen = ask(rig, MarketOf(symbol="ES", bars=3, bar_seconds=60), MarketSeen)
        bar, last = seen.bars[-2:]
        assert (bar.open, bar.high, bar.low, bar.close) == (D("6000.5"), D("6001.5"), D("6000.25"), D("6001"))
        assert bar.volume == 8 and bar.traded
        assert not last.traded and last.close == D("6000.125") and last.ts - bar.ts == 60 * NS
        (fill,) = seen.fills
        assert (fill.side, fill.price, fill.size, fill.order_id) == ("B", D("6000.25"), D(1), order.id)
        assert bar.ts <= fill.ts < bar.ts + 60 * NS
        assert "5, 60, 300" in ask(rig, MarketOf(symbol="ES", bars=3, bar_seconds=7), Declined).text

    Rig.play(script)


def test_a_busted_fill_leaves_the_chart() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        await rig.fill(Side.BUY, 2)
        rig.exchange.bust(rig.exchange.audit(rig.config.account).executions[0].key)
        await rig.sleep(0.3)
        seen = ask(rig, MarketOf(symbol="ES", bars=1), MarketSeen)
        assert [fill.size for fill in seen.fills] == [D(2)]

    Rig.play(script)


def test_more_orders_than_fit_are_cut_to_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_market, "MAX_OWN", 10)

    async def script(rig: Rig) -> None:
        for n in range(25):
            _, refusal = rig.send(Side.BUY, 1, 23_900 + (7 * n) % 25)
            assert refusal is None, refusal
        await rig.sleep(1)
        seen = ask(rig, MarketOf(symbol="ES"), MarketSeen)
        assert seen.own_left_out == 15
        prices = sorted(own.price for own in seen.own if own.price is not None)
        assert prices == [D("0.25") * ticks for ticks in range(23_915, 23_925)]

    Rig.play(script, config={"risk": {"order_burst": 100, "order_rate": 100}})


def test_a_recorded_book_order_by_order_gives_levels_true_queues_and_the_tape(tmp_path: Path) -> None:
    """The first minutes of the session of 2023-12-25 in the E-mini: what the screen gets is what is there."""
    path = recording("es_mbo_20231225/es_mbo_20231225.csv.gz")
    feed = open_feed(f"replay:{path}", seed=0, start_ns=0)
    plan = Plan(
        directory=tmp_path,
        config=EngineConfig(journal=JournalConfig(durability="process")),
        instruments=tuple(feed.instruments),
        touch={},
        start=(feed.start_time() or 0) - NS,
    )

    async def script(world: World) -> None:
        world.quoting = False
        engine, exchange = world.engine, world.exchange
        playing = asyncio.ensure_future(feed.run(world.clock, Fanout(exchange, engine, lambda _: None)))
        await world.clock.sleep(1_703_545_500 * NS - world.clock.now())  # 23:05:00 UTC
        seen = ask(world, MarketOf(symbol="ESH4", levels=10, prints=500), MarketSeen)
        assert seen.depth == "orders" and len(seen.bids) == len(seen.asks) == 10
        book = exchange.market("ESH4").book
        assert isinstance(book, OrderBook)
        best = book.bids.best
        assert best is not None and seen.bids[0].price == seen.bid == best * D("0.25")
        for level in (*seen.bids, *seen.asks):
            assert level.size is not None and level.size >= (level.orders or 0) >= 1
        assert [lv.price for lv in seen.bids] == sorted((lv.price for lv in seen.bids), reverse=True)
        assert [lv.price for lv in seen.asks] == sorted(lv.price for lv in seen.asks)
        assert [p.n for p in seen.prints] == list(
            range(seen.last_print - len(seen.prints) + 1, seen.last_print + 1)
        )
        assert {p.aggressor for p in seen.prints} >= {"B", "S"}
        world.touch["ESH4"] = (best, best + 1)
        world.send(Side.BUY, 1, best, symbol="ESH4")
        await world.sleep(0.2)
        (own,) = ask(world, MarketOf(symbol="ESH4"), MarketSeen).own
        there = sum(size for _, size in book.queue(Side.BUY, best))
        assert own.ahead_exact and own.ahead is not None and 0 < own.ahead <= there
        await world.sleep(20)
        later = ask(world, MarketOf(symbol="ESH4", bars=5, bar_seconds=60), MarketSeen)
        assert all((now.ahead or 0) <= own.ahead for now in later.own), "a place never gets worse by itself"
        assert len(later.bars) == 5 and later.bars[-2].traded
        playing.cancel()

    World.run(plan, script)


# -- the day


def test_the_days_rows_add_up_to_the_days_profit_also_with_a_position_that_was_carried_over(
    tmp_path: Path,
) -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 3)
        rig.move("ES", 24_020)
        await rig.sleep(0.3)
        answer = await rig.command(Reset(scope="day_loss"))
        assert answer.ok, answer.text
        await rig.fill(Side.SELL, 2)
        await rig.fill(Side.BUY, 1, "CL")
        rig.move("ES", 24_030)
        await rig.sleep(0.3)
        check(rig)
        rows = {row.name: row for row in ask(rig, DayOf(), DaySeen).instruments}
        assert rows["ES"].fills == 1 and rows["ES"].lots == 2, "the day's, not those before it"
        assert rows["CL"].fills == 1

    def check(rig: Rig) -> DaySeen:
        seen = ask(rig, DayOf(), DaySeen)
        assert seen.carried is not None and seen.pnl is not None
        for rows in (seen.instruments, seen.strategies):
            total = sum((row.net for row in rows if row.net is not None), D(0)) - seen.carried
            assert abs(total - seen.pnl) <= D("0.05"), (total, seen)
        assert seen.carried > 0
        assert sum(row.fills for row in seen.strategies) == 2
        return seen

    async def again(rig: Rig) -> None:
        await rig.sleep(12)
        seen = check(rig)
        assert seen.partial.startswith("the curve begins with this run")
        assert seen.points

    Rig.play(script, directory=tmp_path)
    Rig.play(again, directory=tmp_path)


def test_the_brokers_word_on_the_account_ages_and_ceases_to_count() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(6)
        young = ask(rig, DayOf(), DaySeen)
        assert young.account is not None and young.account.counts
        assert young.account.equity == 1_000_000 and 0 <= young.ts - young.account.at < 6 * NS
        rig.exchange.drop_link(rig.config.account)
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        await rig.sleep(60)
        old = ask(rig, DayOf(), DaySeen)
        assert old.account is not None and not old.account.counts
        assert old.account.equity == 1_000_000 and old.ts - old.account.at > 50 * NS

    Rig.play(script)


def test_the_curve_holds_the_day_in_a_bounded_number_of_points() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 1)
        await rig.sleep(60)
        rig.move("ES", 23_980)
        await rig.sleep(10)
        rig.move("ES", 24_000)
        await rig.sleep(60)
        seen = ask(rig, DayOf(), DaySeen)
        assert seen.partial == "" and seen.step == 5
        assert 24 <= len(seen.points) <= 28
        assert min(p.low for p in seen.points) <= D("-250")
        assert seen.points[-1].pnl == seen.pnl
        assert all(b.ts - a.ts == 5 * NS for a, b in zip(seen.points, seen.points[1:], strict=False))

    Rig.play(script)


def test_a_log_that_nobody_keeps_is_said_not_to_be_there() -> None:
    async def script(rig: Rig) -> None:
        assert "log file" in ask(rig, LogTail(), Declined).text

    Rig.play(script)


def test_a_question_that_fails_is_declined_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(rig: Rig) -> None:
        monkeypatch.setattr(rig.engine.answers.memories, "of", lambda _: 1 / 0)
        assert "division" in ask(rig, MarketOf(symbol="ES"), Declined).text
        assert rig.engine.metrics.counters["question_errors"] == 1

    Rig.play(script)
