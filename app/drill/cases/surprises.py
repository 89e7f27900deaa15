"""Order transitions that surprise: late, twice, never, taken back, or made by somebody else."""

from __future__ import annotations

from app.drill.case import Collection
from app.drill.cases.transitions import at_exchange, change
from app.drill.notes import words
from app.drill.virtual import VirtualDrill
from engine.model import Side

BUY, SELL = Side.BUY, Side.SELL

cases = Collection()


@cases.virtual(
    "2.9",
    "After a replace, two orders are live",
    "Some venues leave the old order alive beside the new one; what trades there must be found and counted.",
)
async def twin(d: VirtualDrill) -> None:
    order = d.passes("an order for 2 passes", BUY, 2, 23_990)
    await d.status(order, "WORKING")
    d.world.exchange.faults.arm("twin_replace")
    d.did("replace it 2 ticks lower; the exchange will keep the old one alive as well")
    d.world.engine.replacer.replace(change(d, order.id, 2, 23_988))
    await d.world.sleep(8)
    live = [o for o in d.world.exchange.audit(d.world.config.account).orders if not o.status.is_closed]
    d.check("the exchange has two live orders", len(live) == 2, f"{len(live)} live")
    d.did("the market falls through both")
    d.world.move("ES", 23_970)
    await d.world.sleep(2)
    await d.until(
        "every lot that traded is in our position",
        lambda: d.world.position() == d.world.venue_position() != 0,
        order.id,
        within=15,
        saw=lambda: f"ours {d.world.position():+d}, the exchange's {d.world.venue_position():+d}",
    )
    codes = sorted({"overfill", "unsolicited_replace", "unknown_order"} & set(d.world.alerts()))
    d.check("an alarm tells of it", bool(codes), codes)


@cases.virtual(
    "2.10", "The acknowledgement comes late", "Silence is no refusal: the order counts, and is asked about."
)
async def late_ack(d: VirtualDrill) -> None:
    d.world.exchange.faults.arm("late_ack")
    wait = d.world.config.orders.answer_after
    d.did("the exchange will be late with its acknowledgement")
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.world.sleep(min(wait / 2, 1.0))
    buy, _ = d.world.engine.core.books.orders.exposure("ES")
    d.check("unanswered, it counts as exposure", buy == 2, f"{d.world.status(order)}, {buy} lots", order.id)
    await d.status(order, "WORKING", within=wait + 10)
    d.exchange_orders_known()


@cases.virtual(
    "2.11",
    "There is no acknowledgement at all",
    "The order is UNKNOWN and asked about under the same id; it is never sent a second time.",
)
async def no_ack(d: VirtualDrill) -> None:
    d.world.exchange.faults.arm("no_ack")
    wait = d.world.config.orders.answer_after
    d.did("the exchange will take the next order and say nothing")
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.world.sleep(wait / 2)
    buy, _ = d.world.engine.core.books.orders.exposure("ES")
    d.check("unanswered, it counts as exposure", buy == 2, f"{d.world.status(order)}, {buy} lots", order.id)
    asked = wait + d.world.config.reconcile.every + 5
    await d.status(order, "WORKING", within=asked)
    d.exchange_orders_known()


@cases.virtual(
    "2.12",
    "An order is lost on its way",
    "Neither refused nor resent: UNKNOWN until the broker has said twice that it has no such order.",
)
async def lost(d: VirtualDrill) -> None:
    d.world.exchange.faults.arm("lose_request")
    wait = d.world.config.orders.answer_after
    d.did("the next order will be lost between here and the exchange")
    order = d.passes("an order at the market passes", BUY, 2)
    await d.world.sleep(wait / 2)
    buy, _ = d.world.engine.core.books.orders.exposure("ES")
    d.check("while nobody knows, it counts as exposure", buy == 2, f"{buy} lots", order.id)
    await d.until(
        "it is given up only after the broker said twice that it has none",
        lambda: "lost_order" in d.world.alerts(),
        order.id,
        within=wait * 6 + 10,
        saw=lambda: f"{d.world.status(order)}; alarms {words(d.world.alerts()[:3])}",
    )
    there = at_exchange(d, order.id)
    d.check("it was not sent again", there == "NONE", f"at the exchange: {there.lower()}", order.id)
    d.check(
        "and counts no more",
        (left := d.world.engine.core.books.orders.exposure("ES")) == (0, 0),
        left,
    )


@cases.virtual(
    "2.13", "The fill comes before the acknowledgement", "The first report may be a fill; it counts at once."
)
async def fill_first(d: VirtualDrill) -> None:
    d.world.exchange.faults.arm("fill_before_ack")
    d.did("the exchange will report the fill first")
    order = d.passes("an order at the market passes", BUY, 2)
    await d.status(order, "FILLED")
    await d.world.sleep(3)
    d.check(
        "the late acknowledgement changes nothing", d.world.status(order) == "FILLED", d.world.status(order)
    )
    d.agree()


@cases.virtual(
    "2.14",
    "A fill after the cancel was confirmed",
    "Bots have believed the cancel, and bought again with no record of the first.",
)
async def fill_after_cancel(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.status(order, "WORKING")
    d.world.exchange.faults.arm("fill_after_cancel")
    d.did("cancel it; a fill of before will be reported after the confirmation")
    d.world.engine.intake.cancel(order.id)
    await d.until(
        "the fill is booked although the order was dead",
        lambda: d.world.position() != 0,
        order.id,
        within=10,
        saw=lambda: f"{d.world.status(order)}, position {d.world.position():+d}",
    )
    books = d.world.engine.core.books
    hold = books.holds.get("ES")
    d.check("its instrument is held at once", hold is not None, "not held" if hold is None else hold.reason)
    d.refuses("trading_state", "nothing opens in it", BUY, 1, 23_990)
    d.check(
        "a person is told",
        any("fill" in c or "reopen" in c or "late" in c for c in d.world.alerts()),
        d.world.alerts(),
    )
    await d.until(
        "the hold ends when the broker agrees",
        lambda: books.holds.get("ES") is None,
        within=10,
        saw=lambda: [hold.reason for hold in books.holds.all()] or "it ended",
    )
    d.agree()


@cases.virtual(
    "2.15",
    "Every report comes twice",
    "Repeated execution ids have tripled fills; here they are counted and ignored.",
    venue={"faults": {"duplicate_report": 1.0}},
)
async def twice(d: VirtualDrill) -> None:
    d.did("from now on the exchange says everything twice")
    first = await d.fill(BUY, 3)
    second = await d.fill(SELL, 1)
    await d.world.sleep(1)
    d.check(
        "3 bought and 1 sold make 2", d.world.position() == 2, f"{d.world.position():+d}", first.id, second.id
    )
    repeats = d.world.engine.metrics.counters.get("anomaly.DUPLICATE", 0)
    d.check("the repeats were counted", repeats > 0, f"{repeats} repeats")
    d.agree()


@cases.virtual(
    "2.16",
    "Reports come late and out of order",
    "Whatever the order of the reports, the end is the same.",
    venue={"faults": {"delay_report": 0.3, "reorder_report": 0.4}},
)
async def disorder(d: VirtualDrill) -> None:
    orders = []
    for n in range(12):
        side = BUY if d.rng.random() < 0.6 else SELL
        limit = None if n % 2 else (23_990 - n if side is BUY else 24_011 + n)
        orders.append((d.passes("an order passes", side, 1 + n % 3, limit), n % 2 == 0))
        # An order at the market may still be open in our book, and own orders must not meet.
        await d.world.sleep(2.5 if n % 2 else 0.1)
    d.did("12 orders, half of them resting, while reports are delayed and overtake one another")
    for order, rests in orders:
        if rests:
            d.world.engine.intake.cancel(order.id)
    d.did("cancel those that rest")
    await d.until(
        "every order comes to its end",
        lambda: not d.world.engine.core.books.orders.working(),
        within=30,
        saw=lambda: f"{len(d.world.engine.core.books.orders.working())} still open",
    )
    d.agree()
    d.exchange_orders_known()


@cases.virtual(
    "2.17",
    "Reports are lost",
    "A fill frame that is silently missing must be found by asking, not by the next margin call.",
)
async def missing(d: VirtualDrill) -> None:
    d.world.exchange.faults.set_ratios({"drop_report": 1.0})
    with d.trouble("reports are lost"):
        d.did("every report from the exchange is lost from now on")
        order = d.passes("an order at the market passes", BUY, 3)
        await d.world.sleep(1)
        d.check(
            "the exchange has filled it, and we were not told",
            d.world.venue_position() == 3 != d.world.position(),
            f"ours {d.world.position():+d}, the exchange's {d.world.venue_position():+d}",
        )
        await d.until(
            "the missing fill is found by asking",
            lambda: d.world.position() == 3,
            order.id,
            within=d.world.config.orders.answer_after + d.world.config.reconcile.every * 3 + 5,
            saw=lambda: f"position {d.world.position():+d}",
        )
    d.world.exchange.faults.clear()
    await d.status(order, "FILLED", within=15)
    d.agree()


@cases.virtual(
    "2.18", "A trade is busted", "Exchanges cancelled a whole day's trades in 2022; profit can go backwards."
)
async def busted(d: VirtualDrill) -> None:
    order = await d.fill(BUY, 4)
    fill = d.world.exchange.audit(d.world.config.account).executions[-1]
    d.did(f"the exchange cancels execution {fill.key.exec_id}")
    d.world.exchange.bust(fill.key)
    await d.until(
        "the position goes back to zero",
        lambda: d.world.position() == 0,
        order.id,
        saw=lambda: d.world.position(),
    )
    d.check("a person is told", "bust" in d.world.alerts(), d.world.alerts()[:4])
    pnl = d.world.engine.view.day_pnl()
    d.check("profit, loss and fees of it are gone", pnl == 0, f"day {pnl}")
    d.agree()


@cases.virtual("2.19", "A trade is corrected", "A correction replaces the trade; it is not one more.")
async def corrected(d: VirtualDrill) -> None:
    order = await d.fill(BUY, 4)
    fill = d.world.exchange.audit(d.world.config.account).executions[-1]
    before = d.world.engine.view.day_pnl()
    d.did("the exchange corrects its price by 8 ticks in our favour")
    d.world.exchange.correct(fill.key, fill.price - 8)
    await d.world.sleep(0.5)
    after = d.world.engine.view.day_pnl()
    d.check("the position stays", d.world.position() == 4, f"{d.world.position():+d}", order.id)
    gained = None if before is None or after is None else after - before
    expected = 4 * 8 * d.world.engine.core.books.instruments["ES"].tick_value
    d.check("the profit moves by exactly that", gained == expected, f"{gained}, expected {expected}")
    d.agree()


@cases.virtual(
    "2.20", "The exchange cancels by itself", "Nobody asked, and the order is gone: believed, and told."
)
async def unsolicited(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.status(order, "WORKING")
    d.did("the exchange cancels it by itself")
    d.world.exchange.cancel_order(d.world.config.account, order.id)
    await d.status(order, "CANCELED")
    left = d.world.engine.core.books.orders.exposure("ES")
    d.check("it counts no more", left == (0, 0), left)


@cases.virtual(
    "2.21",
    "The exchange claims not to know a live order",
    "'Unknown order' to a cancel is no proof that it is gone: it may fill an hour later.",
)
async def unknown(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.status(order, "WORKING")
    d.world.exchange.faults.arm("unknown_order")
    d.did("cancel it; the exchange will say that it has no such order")
    d.world.engine.intake.cancel(order.id)
    await d.world.sleep(0.2)
    closed = d.world.status(order) in ("CANCELED", "REJECTED", "EXPIRED")
    d.check("one such answer does not close it", not closed, d.world.status(order), order.id)
    await d.world.sleep(d.world.config.orders.answer_after + 3)
    if d.world.status(order) != "CANCELED":
        d.did("cancel it again")
        d.world.engine.intake.cancel(order.id)
    await d.status(order, "CANCELED", within=10)
    d.check(
        "the exchange has none left",
        at_exchange(d, order.id) == "CANCELED",
        at_exchange(d, order.id),
        order.id,
    )


@cases.virtual(
    "2.22",
    "Somebody trades at the account by hand",
    "An order and a trade that are not ours are shown, counted, and never overwritten.",
)
async def foreign(d: VirtualDrill) -> None:
    account = d.world.config.account
    d.did("somebody else rests an order to buy 2 at the account")
    d.world.exchange.foreign_order(account, "ES", BUY, 2, limit=23_990)
    await d.until(
        "it is alarmed",
        lambda: "foreign_order" in d.world.alerts(),
        within=15,
        saw=lambda: d.world.alerts()[:3],
    )
    buy, _ = d.world.engine.core.books.orders.exposure("ES")
    d.check("it counts as exposure", buy == 2, f"{buy} lots")
    d.did("somebody else buys 3")
    d.world.exchange.manual_trade(account, "ES", BUY, 3)
    await d.until(
        "the trade is alarmed",
        lambda: bool({"foreign_fill", "manual_trade"} & set(d.world.alerts())),
        within=20,
        saw=lambda: sorted(set(d.world.alerts())),
    )
    await d.world.sleep(15)
    policy = d.world.config.reconcile.on_manual_trade
    halt = d.world.engine.core.books.halts.instrument("ES")
    d.check(
        f"your policy for it holds (reconcile.on_manual_trade = {policy})",
        (halt is not None) is (policy == "halt"),
        "ES is not halted" if halt is None else f"ES is halted: {halt.reason}",
    )
    d.agree()
