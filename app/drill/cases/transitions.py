"""Every order transition on purpose: what the exchange may do with an order, in the order of surprise."""

from __future__ import annotations

from decimal import Decimal

from app.drill.case import Collection
from app.drill.virtual import VirtualDrill
from engine.control.commands import Submit
from engine.model import OrderStatus, Replace, Side

BUY, SELL = Side.BUY, Side.SELL

cases = Collection()


def change(d: VirtualDrill, order_id: str, qty: int, limit: int) -> Replace:
    """A change of a working order, not yet asked for."""
    core = d.world.engine.core
    return Replace(
        id=core.ids.order_id("manual"),
        order_id=order_id,
        qty=qty,
        limit=limit,
        correlation=core.ids.correlation(),
        created=d.world.clock.now(),
    )


def leaves(d: VirtualDrill, order_id: str) -> int:
    """Lots of an order that may still trade, by our book."""
    record = d.world.engine.core.books.orders.get(order_id)
    return -1 if record is None else record.life.leaves


def at_exchange(d: VirtualDrill, order_id: str) -> str:
    """Where the exchange's own books have an order."""
    orders = d.world.exchange.audit(d.world.config.account).orders
    found = [str(o.status) for o in orders if o.order_id == order_id]
    return found[-1] if found else "NONE"


@cases.virtual(
    "2.1",
    "An order fills in parts",
    "Each part counts once, the rest keeps working, and the average price is that of the parts.",
)
async def parts(d: VirtualDrill) -> None:
    d.world.sizes["ES"] = 3
    d.world.quote_all()
    order = d.passes("an order for 9 with 3 on offer passes", BUY, 9)
    d.did("buy 9 ES with only 3 on offer")
    await d.until(
        "it is partly filled", lambda: 0 < d.world.position() < 9, order.id, saw=lambda: d.world.position()
    )
    record = d.world.engine.core.books.orders.get(order.id)
    assert record is not None
    d.check(
        "its state says so, and the rest is counted",
        record.life.status is OrderStatus.PARTIAL_FILL and record.life.leaves == 9 - d.world.position(),
        f"{record.life.status}, {record.life.cum} filled, {record.life.leaves} left",
        order.id,
    )
    d.did("more is offered at that price")
    for _ in range(4):
        d.world.trade("ES", 24_001, 60, SELL)
        await d.world.sleep(0.2)
    await d.status(order, "FILLED")
    d.agree()


@cases.virtual(
    "2.2",
    "The rest of a partly filled order is cancelled",
    "What filled stays filled; only the rest goes.",
)
async def cancel_rest(d: VirtualDrill) -> None:
    d.world.sizes["ES"] = 3
    d.world.quote_all()
    order = d.passes("an order for 9 with 3 on offer passes", BUY, 9)
    await d.until("3 of 9 fill", lambda: d.world.position() == 3, order.id, saw=lambda: d.world.position())
    d.did("cancel the rest")
    problem = d.world.engine.intake.cancel(order.id)
    d.check("the cancel leaves", problem == "", problem or "sent", order.id)
    await d.status(order, "CANCELED")
    d.check("what filled is ours", d.world.position() == 3, f"position {d.world.position():+d}")
    d.agree()


@cases.virtual("2.3", "The exchange rejects an order", "A rejection ends the order and leaves no exposure.")
async def rejected(d: VirtualDrill) -> None:
    d.world.exchange.faults.arm("reject_new")
    d.did("the exchange will reject the next order")
    order = d.passes("the order passes the gate", BUY, 2)
    await d.status(order, "REJECTED")
    d.check("an alarm says so", "rejected" in d.world.alerts(), d.world.alerts()[:3])
    exposure = d.world.engine.core.books.orders.exposure("ES")
    d.check("it counts as exposure no more", exposure == (0, 0), exposure)
    d.agree()


@cases.virtual("2.4", "An order is cancelled", "The plain case: what everything else is measured against.")
async def cancelled(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.status(order, "WORKING")
    d.did("cancel it")
    d.world.engine.intake.cancel(order.id)
    await d.status(order, "CANCELED")
    d.check("nothing was traded", d.world.position() == 0, f"position {d.world.position():+d}")
    d.exchange_orders_known()


@cases.virtual(
    "2.5",
    "The exchange refuses a cancel",
    "A refused cancel means that the order is still there; believing otherwise filled six 'dead' buys once.",
)
async def cancel_refused(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 2, 23_990)
    await d.status(order, "WORKING")
    d.world.exchange.faults.arm("reject_cancel")
    d.did("cancel it; the exchange will refuse")
    d.world.engine.intake.cancel(order.id)
    await d.world.sleep(0.5)
    d.check(
        "the order still works in our book",
        d.world.status(order) == "WORKING",
        d.world.status(order),
        order.id,
    )
    buy, _ = d.world.engine.core.books.orders.exposure("ES")
    d.check("and still counts as exposure", buy == 2, f"{buy} lots")
    d.did("cancel it again")
    d.world.engine.intake.cancel(order.id)
    await d.status(order, "CANCELED")


@cases.virtual(
    "2.6",
    "A fill crosses the cancel on its way",
    "The cancel comes too late: the order is FILLED, and the position is ours.",
)
async def too_late(d: VirtualDrill) -> None:
    order = d.passes("an order at the market passes", BUY, 2)
    await d.world.sleep(0.003)
    d.did("cancel it while its fill is on the way")
    d.world.engine.intake.cancel(order.id)
    await d.status(order, "FILLED")
    await d.world.sleep(0.5)
    d.check("it stays FILLED", d.world.status(order) == "FILLED", d.world.status(order), order.id)
    d.check("the position is ours", d.world.position() == 2, f"{d.world.position():+d}")
    d.agree()


@cases.virtual(
    "2.7",
    "Replaced up and down, in size and in price",
    "Until the exchange has answered, the larger of old and new counts.",
)
async def replaced(d: VirtualDrill) -> None:
    order = d.passes("an order for 4 passes", BUY, 4, 23_990)
    await d.status(order, "WORKING")
    for qty, limit, what in ((8, 23_990, "up to 8"), (3, 23_990, "down to 3"), (3, 23_985, "5 ticks lower")):
        before = leaves(d, order.id)
        d.did(f"replace it {what}")
        refusal = d.world.engine.replacer.replace(change(d, order.id, qty, limit))
        d.check("the change passes the gate", refusal is None, refusal or "it passed", order.id)
        buy, _ = d.world.engine.core.books.orders.exposure("ES")
        d.check("meanwhile the larger counts", buy == max(before, qty), f"{buy} lots", order.id)

        def done(qty: int = qty, limit: int = limit) -> bool:
            record = d.world.engine.core.books.orders.get(order.id)
            assert record is not None
            return (record.life.qty, record.life.limit) == (qty, limit) and not record.life.replaces

        await d.until(f"the order stands {what}", done, order.id)
    audit = d.world.exchange.audit(d.world.config.account).orders
    live = [o for o in audit if not o.status.is_closed]
    terms = [(o.qty, o.limit) for o in live]
    told = [f"{o.qty} at {d.world.engine.core.books.instruments['ES'].price(o.limit or 0)}" for o in live]
    d.check("the exchange has one order with these terms", terms == [(3, 23_985)], told, order.id)


@cases.virtual(
    "2.8", "The exchange refuses a change", "The order goes on with its old terms, and nothing else."
)
async def replace_refused(d: VirtualDrill) -> None:
    order = d.passes("an order for 4 passes", BUY, 4, 23_990)
    await d.status(order, "WORKING")
    d.world.exchange.faults.arm("reject_replace")
    d.did("replace it up to 9; the exchange will refuse")
    d.world.engine.replacer.replace(change(d, order.id, 9, 23_990))
    await d.until(
        "the old terms stand and count",
        lambda: leaves(d, order.id) == 4 and d.world.engine.core.books.orders.exposure("ES")[0] == 4,
        order.id,
        saw=lambda: (
            f"{leaves(d, order.id)} left, {d.world.engine.core.books.orders.exposure('ES').buy} count"
        ),
    )
    d.check("it still works", d.world.status(order) == "WORKING", d.world.status(order), order.id)


@cases.virtual(
    "2.23",
    "A bracket: the profit is taken, the stop goes",
    "Of two protective orders one fills; the other must not turn the position round.",
)
async def bracket(d: VirtualDrill) -> None:
    answer = await d.world.command(
        Submit(
            symbol="ES",
            side=BUY,
            size=Decimal(2),
            limit=Decimal("6000.25"),
            take_profit=Decimal("6003"),
            stop_loss=Decimal("5995"),
        )
    )
    d.did("buy 2 with a profit target 11 ticks above and a stop 21 ticks below")
    d.need("the bracket is taken", answer.ok, answer.text)
    await d.until(
        "2 bought, and two orders protect them",
        lambda: d.world.position() == 2 and len(d.world.engine.core.books.orders.working()) == 2,
        saw=lambda: f"{d.world.position():+d}, {len(d.world.engine.core.books.orders.working())} working",
    )
    d.did("the market rises through the target")
    d.world.move("ES", 24_030)
    await d.until(
        "flat, with nothing left working",
        lambda: d.world.position() == 0 and not d.world.engine.core.books.orders.working(),
        within=10,
        saw=lambda: f"{d.world.position():+d}, {len(d.world.engine.core.books.orders.working())} working",
    )
    d.agree()
