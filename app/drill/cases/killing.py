"""The kill switch and verified flatten, in calm, fast, halted and reserved markets."""

from __future__ import annotations

import asyncio
from decimal import ROUND_CEILING, Decimal

from app.drill.case import Collection
from app.drill.cases.limits import CHEAP, loss_limit
from app.drill.notes import NotPossible
from app.drill.shock import play_made, play_recorded
from app.drill.virtual import VirtualDrill
from engine.control.commands import Flatten, Kill
from engine.model import NS, MarketState, OrderType, Side

BUY, SELL = Side.BUY, Side.SELL

cases = Collection()


@cases.virtual(
    "4.30",
    "Kill switch in a calm market",
    "Halt, cancel all, close all, and say flat only after the broker has shown it twice.",
)
async def calm(d: VirtualDrill) -> None:
    await d.fill(BUY, 5)
    await d.fill(SELL, 2, symbol="CL")
    for n in range(6):
        d.world.send(BUY, 1, 23_980 - n)
    d.did("6 more orders rest")
    await d.world.sleep(0.3)
    await d.kill()
    await d.proven_flat(1)
    d.refuses("trading_state", "nothing opens afterwards", BUY, 1)
    await d.reset()
    d.passes("only a person's reset opens trading again", BUY, 1, 23_980)


@cases.virtual(
    "4.31",
    "Kill switch in the middle of a shock",
    "49 ticks in a fifth of a second, eight wide, with two lots on the touch: it re-prices until it is out.",
    venue={"depth": {"ES": (2,)}, "depth_levels": 2},
)
async def shock(d: VirtualDrill) -> None:
    d.depth(20)
    await d.fill(BUY, 20)
    d.world.send(BUY, 5, 23_990)
    await d.world.sleep(0.3)
    market = asyncio.ensure_future(play_made(d, d.rng, on_start=lambda: d.did("the news is out")))
    await d.world.sleep(0.1)
    await d.kill()
    await d.proven_flat(60)
    steps = [s for s in d.world.engine.kill.progress.steps if "(try " in s]
    d.notes.figure("orders sent to get out", str(len(steps)))
    await market


@cases.virtual(
    "4.32",
    "The daily loss is hit by a shock",
    "The limit must act within the shock, on its own, with nobody at the screen.",
    controls=("daily_loss",),
    keep=("daily_loss_pct", "daily_loss_amount"),
    limits={"daily_loss_action": "kill"},
    instruments=CHEAP,
)
async def loss_in_shock(d: VirtualDrill) -> None:
    limit = loss_limit(d, d.limits.daily_loss_pct, d.limits.daily_loss_amount)
    tick = d.world.engine.core.books.instruments["ES"].tick_value
    lots = max(1, int((limit / (tick * 35)).to_integral_value(ROUND_CEILING)))
    d.depth(lots)
    await d.fill(BUY, lots)
    market = asyncio.ensure_future(play_made(d, d.rng, on_start=lambda: d.did("the news is out")))
    await d.until("the limit trips by itself", lambda: "daily_loss" in d.world.alerts(), within=10)
    await market
    d.depth(lots)
    await d.proven_flat(120)
    pnl = d.world.engine.view.day_pnl()
    d.notes.figure("lost, of a limit of", f"{pnl:,.0f} of {limit:,.0f}" if pnl is not None else "not known")


@cases.virtual(
    "4.33",
    "Limits refuse in the middle of a shock",
    "Size, position, price and spread limits hold while the market runs; reducing and cancelling go through.",
    controls=("order_qty", "max_position", "price_sanity", "spread"),
    keep=("max_order_qty", "max_position", "collar_pct", "max_spread_ticks"),
    instruments=CHEAP,
)
async def limits_in_shock(d: VirtualDrill) -> None:
    held = min(2, d.limits.max_order_qty, d.limits.max_position - 1)
    if held < 1:
        raise NotPossible(f"risk.max_position = {d.limits.max_position} leaves no room to drill in")
    await d.fill(BUY, held)
    resting = d.passes("an order rests", BUY, 1, 23_900)
    await d.status(resting, "WORKING")
    market = asyncio.ensure_future(play_made(d, d.rng, on_start=lambda: d.did("the news is out")))
    await d.world.sleep(0.1)
    bid, ask = d.world.touch["ES"]
    d.refuses("order_qty", "an order too large", BUY, d.limits.max_order_qty + 1)
    far = int(bid * d.limits.collar_pct / 100) * 2
    wild = d.world.send(BUY, 1, bid + far)[1]
    d.check("a price out of its collar is refused", wild is not None, wild or "it passed")
    if ask - bid > d.limits.max_spread_ticks:
        opening = d.world.send(BUY, 1, ask)[1]
        d.check(f"nothing opens {ask - bid} ticks wide", opening is not None, opening or "it passed")
    d.world.engine.intake.cancel(resting.id)
    await d.status(resting, "CANCELED")
    d.passes("what reduces passes", SELL, held, bid - 20)
    await market


@cases.virtual(
    "4.34",
    "Kill switch in a halted market",
    "Nothing can be closed in a halt. It says NOT FLAT, waits, and gets out when the market opens.",
)
async def halted(d: VirtualDrill) -> None:
    await d.fill(BUY, 5)
    d.world.send(BUY, 2, 23_990)
    await d.world.sleep(0.3)
    d.world.exchange.set_state("ES", MarketState.HALTED)
    d.did("the exchange halts ES")
    await d.world.sleep(0.3)
    d.did("kill switch")
    d.world.engine.command(Kill(reason="drill"), "drill")
    await d.world.sleep(d.world.config.kill.alarm_after + 5)
    progress = d.world.engine.kill.progress
    d.check(
        "it does not say flat", progress.running and not progress.verdict, progress.verdict or "still at it"
    )
    d.check("it alarms NOT FLAT and says why", "not_flat" in d.world.alerts(), progress.steps[-1:])
    d.check(
        "working orders are cancelled all the same",
        not d.world.engine.core.books.orders.working(),
        [r.order.id for r in d.world.engine.core.books.orders.working()],
    )
    d.did("the exchange opens ES again")
    d.world.exchange.set_state("ES", MarketState.OPEN)
    await d.proven_flat(60)


@cases.virtual(
    "4.35",
    "Flatten in a reserved market",
    "Around an announcement the venue refuses market orders: only limits get out.",
)
async def reserved(d: VirtualDrill) -> None:
    await d.fill(BUY, 5)
    d.world.exchange.set_state("ES", MarketState.RESERVED)
    d.did("ES is reserved: the exchange refuses market orders")
    await d.world.sleep(0.3)
    d.refuses("market_state", "a market order is refused", SELL, 6, type=OrderType.MARKET, limit=None)
    answer = await d.world.command(Flatten(symbol="ES"), 60)
    d.did("flatten ES")
    flat = answer.ok and answer.text.startswith("flat, confirmed")
    d.check("it ends flat, confirmed twice", flat, answer.text)
    sent = [
        o for o in d.world.exchange.audit(d.world.config.account).orders if "flatten" in (o.order_id or "")
    ]
    plain = [o for o in sent if o.type is OrderType.MARKET]
    d.check("with limit orders only", bool(sent) and not plain, f"{len(sent)} limit orders")
    d.check("the exchange is flat", d.world.venue_position() == 0, f"{d.world.venue_position():+d}")


@cases.virtual(
    "4.36",
    "The daily loss is hit while the market is halted",
    "It gaps through the limit in a halt: the limit acts at once, and gets out when the market opens.",
    controls=("daily_loss",),
    keep=("daily_loss_pct", "daily_loss_amount"),
    limits={"daily_loss_action": "kill"},
    instruments=CHEAP,
)
async def loss_in_halt(d: VirtualDrill) -> None:
    limit = loss_limit(d, d.limits.daily_loss_pct, d.limits.daily_loss_amount)
    tick = d.world.engine.core.books.instruments["ES"].tick_value
    lots = max(1, int((limit * Decimal("1.2") / (tick * 100)).to_integral_value(ROUND_CEILING)))
    d.depth(lots)
    await d.fill(BUY, lots)
    d.world.exchange.set_state("ES", MarketState.HALTED)
    d.did("the exchange halts ES, and it is indicated 100 ticks lower")
    await d.world.sleep(0.5)
    d.world.move("ES", 23_900)
    await d.world.sleep(5)
    d.did("the market opens there")
    d.world.exchange.set_state("ES", MarketState.OPEN)
    await d.until("the limit trips", lambda: "daily_loss" in d.world.alerts(), within=20)
    await d.proven_flat(60)


@cases.virtual(
    "4.37",
    "Flatten meets refusals, partial fills and late cancels",
    "Every attempt refused, filled in part, or answered late: it goes on until it is proven flat.",
    venue={"faults": {"reject_new": 0.3, "reject_cancel": 0.3, "delay_report": 0.2, "duplicate_report": 0.3}},
)
async def stubborn(d: VirtualDrill) -> None:
    d.world.exchange.faults.set_ratios({"reject_new": 0.0})
    d.depth(12)
    await d.fill(BUY, 12)
    for n in range(4):
        d.world.send(BUY, 1, 23_980 - n)
    await d.world.sleep(0.5)
    d.world.exchange.faults.set_ratios({"reject_new": 0.3})
    d.world.sizes["ES"] = 2
    d.world.quote_all()
    d.did("the exchange refuses three in ten, reports late and twice, and shows two lots at a time")
    d.world.engine.command(Kill(reason="drill"), "drill")
    await d.proven_flat(180)


@cases.virtual(
    "4.38",
    "Kill switch with the journal's disk full",
    "The way out must not need the disk.",
)
async def no_disk(d: VirtualDrill) -> None:
    await d.fill(BUY, 4)
    d.world.send(BUY, 1, 23_980)
    await d.world.sleep(0.3)
    await d.world.break_store()
    d.did("every write to the journal fails from now on")
    with d.trouble("journal cannot be written"):
        d.world.send(BUY, 1, 23_970)
        await d.world.sleep(0.5)
        blocked = d.world.send(BUY, 1, 23_960)[1]
        d.check("nothing opens any more", blocked is not None, blocked or "it passed")
        await d.kill()
        await d.proven_flat(10)
    await d.world.mend_store()
    d.did("the disk has space again")
    await d.world.sleep(10)
    state = d.world.engine.core.journal.state
    d.check("the journal has recovered by itself", str(state) == "ok", state)


@cases.virtual(
    "4.39",
    "The recorded minute: gold, 1 May 2023, 14:00 UTC",
    "A real release, not a made one: −47 ticks within a second.",
    venue={"order_latency_ms": 20.0},
    recorded=True,
)
async def recorded(d: VirtualDrill) -> None:
    market = play_recorded(d)
    try:
        await d.world.sleep(5)
        await d.fill(BUY, 10, symbol="GCM3")
        left = (RELEASE_AFTER + d.world.plan.start - d.world.clock.now()) / NS
        await d.world.sleep(max(left, 0))
        before = d.world.touch["GCM3"][0]
        d.did(f"14:00:00.{int(RELEASE_AFTER % NS / 1e6):03d} UTC, gold at {before / 10:.1f}")
        await d.kill()
        await d.proven_flat(60)
        pnl = d.world.engine.view.day_pnl()
        d.notes.figure("profit and loss of 10 lots", f"{pnl:,.0f} USD" if pnl is not None else "not known")
        moved = d.world.touch["GCM3"][0] - before
        d.notes.figure("market moved meanwhile", f"{moved:+d} ticks")
    finally:
        market.cancel()


RELEASE_AFTER = 10 * NS + 100_000_000
"""From the start of the case to a tenth of a second after the release, ns."""
