"""Breaking things in virtual time: links, clocks, data and snapshots that lie."""

from __future__ import annotations

from app.drill.case import Collection
from app.drill.virtual import VirtualDrill
from engine.control.commands import Kill
from engine.model import NS, Quote, Side

BUY, SELL = Side.BUY, Side.SELL

cases = Collection()


@cases.virtual(
    "1.3",
    "The link flaps",
    "Five breaks in ten seconds: every one is noticed, and the end agrees with the exchange.",
)
async def flapping(d: VirtualDrill) -> None:
    account = d.world.config.account
    resting = d.passes("an order away from the market passes", BUY, 1, 23_990)
    await d.status(resting, "WORKING")
    for n in range(5):
        d.world.exchange.drop_link(account, f"flap {n + 1}", NS)
        d.world.send(BUY, 1, 23_980 - n)
        await d.world.sleep(2)
    d.did("the link broke five times; an order was asked for in each break")
    await d.until("trading is enabled again", lambda: d.world.engine.view.enabled, within=30)
    breaks = d.world.engine.metrics.counters.get("disconnects", 0)
    d.check("every break was noticed", breaks == 5, f"{breaks} of 5")
    d.check(
        "the first order still works",
        d.world.status(resting) == "WORKING",
        d.world.status(resting),
        resting.id,
    )
    d.exchange_orders_known()
    d.agree()


@cases.virtual(
    "1.4",
    "Half-open: the line looks fine and nothing gets through",
    "Heartbeats may lie; what is sent into such a line is UNKNOWN, not refused.",
)
async def half_open(d: VirtualDrill) -> None:
    d.world.exchange.faults.arm("half_open")
    d.did("the next order goes into a line that swallows everything for 3 s")
    with d.trouble("half-open"):
        order = d.passes("an order at the market passes", BUY, 2)
        await d.world.sleep(1)
        buy, _ = d.world.engine.core.books.orders.exposure("ES")
        d.check(
            "unanswered, it counts as exposure", buy == 2, f"{d.world.status(order)}, {buy} lots", order.id
        )
        await d.until("the loss is noticed", lambda: "link_down" in d.world.alerts(), within=10)
    await d.until("trading is enabled again", lambda: d.world.engine.view.enabled, within=60)
    await d.until(
        "what became of the order is known",
        lambda: d.world.status(order) not in ("UNKNOWN", "PENDING_NEW"),
        order.id,
        within=60,
        saw=lambda: d.world.status(order),
    )
    d.exchange_orders_known()
    d.agree()


@cases.virtual(
    "1.6",
    "The primary connection is out of order: fail-over to the backup",
    "Fail-over that is never tested fails over to nothing: an exchange lost a whole day to that.",
    config={
        "connections": ({"name": "primary"}, {"name": "backup"}),
        "link": {"failover_attempts": 2, "failover_after": 3.0, "retry_first": 0.5},
    },
)
async def failover(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.status(order, "WORKING")
    await d.fill(BUY, 1)
    with d.trouble("primary out of order"):
        d.world.exchange.shut_gateway("primary", "out of order")
        d.did("the primary gateway goes out of order, and stays so")
        await d.until("the loss is noticed", lambda: not d.world.engine.core.link_up, within=10)
        await d.until(
            "trading is enabled again, over the backup",
            lambda: d.world.engine.core.link_up and d.world.engine.view.enabled,
            within=60,
            saw=lambda: d.world.engine.core.link_text,
        )
    d.check(
        "the order is known and works", d.world.status(order) == "WORKING", d.world.status(order), order.id
    )
    d.world.engine.intake.cancel(order.id)
    await d.status(order, "CANCELED")
    d.exchange_orders_known()
    d.agree()


@cases.virtual(
    "3.1",
    "Link cut with orders open; one fills and one is cancelled meanwhile",
    "Fills in such a window have been dropped for good: 60 shares that the engine never knew of.",
)
async def cut(d: VirtualDrill) -> None:
    account = d.world.config.account
    fills = d.passes("an order near the market passes", BUY, 3, 23_995)
    gone = d.passes("an order further away passes", BUY, 1, 23_980)
    stays = d.passes("one further still passes", BUY, 1, 23_970)
    await d.status(stays, "WORKING")
    with d.trouble("link cut"):
        d.world.exchange.drop_link(account, "cable pulled", 600 * NS)
        await d.until("the loss is noticed", lambda: not d.world.engine.core.link_up, within=5)
        d.refuses("trading_state", "nothing opens while the link is down", BUY, 1)
        d.did("the market trades through the first order, and the exchange cancels the second")
        d.world.move("ES", 23_990)
        d.world.trade("ES", 23_990, 500, SELL)
        d.world.exchange.cancel_order(account, gone.id)
        await d.world.sleep(3)
        d.check(
            "the exchange filled it",
            d.world.venue_position() == 3,
            f"{d.world.venue_position():+d}",
            fills.id,
        )
        d.did("the link comes back")
        d.world.exchange.restore_link(account)
    await d.until(
        "the fill of that time is found",
        lambda: d.world.position() == 3,
        fills.id,
        within=30,
        saw=lambda: f"position {d.world.position():+d}",
    )
    await d.status(fills, "FILLED", within=20)
    await d.status(gone, "CANCELED", within=30 + 3 * d.world.config.reconcile.every)
    d.check("the third still works", d.world.status(stays) == "WORKING", d.world.status(stays), stays.id)
    await d.until("trading is enabled again", lambda: d.world.engine.view.enabled, within=30)
    d.agree()


@cases.virtual(
    "3.2",
    "Stale ticks are injected",
    "A feed that repeats an hour-old market looks alive; prices from it must not open a position.",
)
async def stale_ticks(d: VirtualDrill) -> None:
    await d.fill(BUY, 2)
    d.world.quoting = False
    d.did("from now on every quote is a minute old, five a second, 40 ticks away from the market")
    with d.trouble("stale ticks"):
        for _ in range(60):
            old = d.world.clock.now() - 60 * NS
            d.world.engine.on_quote(Quote("ES", old, 23_960, 50, 23_961, 50))
            d.world.engine.on_batch_end(old)
            await d.world.sleep(0.2)
        d.refuses("stale_data", "an opening order is refused", BUY, 1, 23_961)
        order = d.passes("one that reduces passes", SELL, 2, 24_000)
        await d.status(order, "FILLED")
    d.world.quoting = True
    d.did("the feed is right again")
    await d.world.sleep(2)
    d.passes("it trades again", BUY, 1)


@cases.virtual(
    "3.3",
    "Absurd ticks: zero, ten times the price, crossed, one-sided",
    "One bad print has fired stops and shown a stock 99.97 % down; it is an error, not a loss.",
    keep=("daily_loss_pct", "daily_loss_amount", "max_drawdown_pct"),
)
async def absurd(d: VirtualDrill) -> None:
    await d.fill(BUY, 5)
    await d.world.sleep(1)
    touch = d.world.touch["ES"]
    for text, bid, ask in (
        ("a market at zero", 0, 1),
        ("ten times the price", 240_000, 240_001),
        ("a tenth of it", 2_400, 2_401),
        ("crossed by 30 ticks", 24_030, 24_000),
        ("no offer", 24_000, None),
        ("an empty book", None, None),
    ):
        now = d.world.clock.now()
        d.did(f"one tick: {text}")
        sizes = (50 if bid is not None else 0, 50 if ask is not None else 0)
        d.world.engine.on_quote(Quote("ES", now, bid, sizes[0], ask, sizes[1]))
        d.world.engine.on_batch_end(now)
        refusals = d.world.engine.gate.preview(d.world.order(BUY, 1), d.world.engine.view)
        quote = d.world.engine.view.quote("ES")
        kept = quote is not None and (quote.bid, quote.ask) == touch
        saw = "it is left out, the market before it stands" if kept else "it would pass"
        d.check(f"{text}: nothing opens on it", kept or bool(refusals), refusals[0].text if refusals else saw)
        await d.world.sleep(0.1)
        d.world.touch["ES"] = touch
        d.world.quote_all()
        await d.world.sleep(1)
    halted = d.world.engine.core.books.halts.account()
    d.check("no loss limit took it for a loss", halted is None, halted.reason if halted else "not halted")
    await d.world.sleep(5)
    d.passes("with an orderly market it trades again", SELL, 5)


@cases.virtual(
    "3.4",
    "The broker's answers are empty, stale, or half",
    "A failed query read as an empty one has called positions flat that were not.",
)
async def snapshots(d: VirtualDrill) -> None:
    await d.fill(BUY, 4)
    await d.world.sleep(d.world.config.reconcile.every + 1)
    await d.fill(BUY, 2, symbol="CL")
    policy = d.world.config.reconcile.on_drift
    for fault, text in (
        ("stale_snapshot", "one answer behind"),
        ("partial_snapshot", "with every second entry missing"),
        ("answer_lost", "lost"),
        ("empty_snapshot", "empty"),
    ):
        d.world.exchange.faults.set_ratios({fault: 1.0})
        with d.trouble(f"answers {text}"):
            d.did(f"for 20 s the broker's answers are {text}")
            await d.world.sleep(20)
        both = (d.world.position(), d.world.position("CL"))
        d.check(
            f"answers {text}: our positions stay what they are",
            both == (4, 2),
            f"ES {both[0]:+d}, CL {both[1]:+d} (reconcile.on_drift = {policy})",
        )
        d.world.exchange.faults.clear()
        await d.world.sleep(d.world.config.reconcile.every + 2)
    d.world.exchange.faults.set_ratios({"empty_snapshot": 1.0})
    begin = d.notes.at()
    d.did("kill and flatten while the broker's answers are empty")
    d.world.engine.command(Kill(reason="drill"), "drill")
    await d.world.sleep(5)
    verdict = d.world.engine.kill.progress.verdict
    d.check(
        "an empty answer is not taken for flat",
        not verdict.startswith("flat") or d.world.venue_position() == 0,
        verdict or "still at it, nothing said",
    )
    d.notes.band(begin, "answers empty")
    d.world.exchange.faults.clear()
    d.did("the broker answers truly again")
    await d.proven_flat(60)


@cases.virtual(
    "3.5",
    "The clock of the host is stepped",
    "A 36 s step has halted an exchange; time-outs and the order of events must not follow the wall clock.",
)
async def clock_step(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 1, 23_990)
    await d.status(order, "WORKING")
    for seconds in (-3600, 3600 + 36):
        before = d.world.clock.now()
        d.world.clock.step(seconds * NS)
        d.did(f"the wall clock jumps by {seconds:+d} s")
        await d.world.sleep(2)
        passed = (d.world.clock.now() - before) / NS
        d.check("engine time goes on evenly", abs(passed - 2) < 0.1, f"{passed:.2f} s passed")
    d.check("a person is told of both", d.world.alerts().count("clock") == 2, d.world.alerts())
    d.world.engine.intake.cancel(order.id)
    await d.status(order, "CANCELED")


@cases.virtual(
    "3.6",
    "Data and broker die together with a position open",
    "The venue can vanish when it is needed most: nothing is guessed, and it is found again by itself.",
)
async def both(d: VirtualDrill) -> None:
    await d.fill(BUY, 3)
    d.world.quoting = False
    d.world.exchange.drop_link(d.world.config.account, "the venue is gone", 600 * NS)
    with d.trouble("no data, no broker"):
        d.did("no data and no broker for a minute; the operator asks for kill and flatten")
        d.world.engine.command(Kill(reason="drill"), "drill")
        await d.world.sleep(60)
        progress = d.world.engine.kill.progress
        d.check(
            "it does not say flat", not progress.verdict.startswith("flat"), progress.verdict or "still at it"
        )
        d.check("it says NOT FLAT", "not_flat" in d.world.alerts(), sorted(set(d.world.alerts())))
    d.did("the venue is back, 60 ticks lower")
    d.world.touch["ES"] = (23_940, 23_941)
    d.world.quoting = True
    d.world.quote_all()
    d.world.exchange.restore_link(d.world.config.account)
    await d.proven_flat(120)
