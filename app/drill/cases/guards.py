"""Limits on exposure, counts, strategies and states, each hit on purpose in a calm market."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from app.drill.case import Collection
from app.drill.cases.limits import CHEAP, acted
from app.drill.notes import NotPossible
from app.drill.virtual import VirtualDrill
from app.drill.world import CL, ES, START
from engine.control.commands import Kill, Pause, Resume
from engine.model import NS, Purpose, Side, TimeInForce
from engine.risk.controls.contract_end import DAY

BUY, SELL = Side.BUY, Side.SELL

cases = Collection()


@cases.virtual(
    "4.13",
    "Exposure: gross, net, and of one class",
    "Correlated instruments add up to one risk.",
    controls=("gross", "net", "class_gross"),
    limits={
        "max_gross": Decimal(2_000_000),
        "max_net": Decimal(1_300_000),
        "max_gross_by_class": {"index": Decimal(1_000_000)},
    },
)
async def exposure(d: VirtualDrill) -> None:
    d.did("limits for this case: gross 2,000,000, net 1,300,000, index 1,000,000")
    d.passes("3 ES, 900,000, pass", BUY, 3)
    await d.world.sleep(0.3)
    d.refuses("class_gross", "a 4th is too much of one class", BUY, 1)
    d.refuses("net", "8 CL bought on top are too much net", BUY, 8, symbol="CL")
    d.refuses("gross", "16 CL sold against it are too much gross", SELL, 16, symbol="CL")
    d.passes("8 CL sold against it pass", SELL, 8, symbol="CL")


@cases.virtual(
    "4.14",
    "Orders at work",
    "Hundreds of forgotten orders fill on one bad tick.",
    controls=("max_working",),
    keep=("max_working",),
    instruments=CHEAP,
)
async def working(d: VirtualDrill) -> None:
    limit = d.limits.max_working
    if limit > 1_000:
        raise NotPossible(f"risk.max_working = {limit:,d} is more than a drill rests")
    sent = [d.world.send(BUY, 1, 23_990 - n) for n in range(limit)]
    refused = [refusal for _, refusal in sent if refusal is not None]
    d.did(f"rest {limit} orders, as many as risk.max_working allows")
    d.check("they pass, not yet acknowledged", not refused, refused[0] if refused else f"{limit} passed")
    d.refuses("max_working", "one more is refused", BUY, 1, 22_000)


@cases.virtual(
    "4.15",
    "The same order twice",
    "A blind retry after a time-out is a second order.",
    controls=("duplicate",),
    keep=("duplicate_window",),
)
async def duplicate(d: VirtualDrill) -> None:
    window = d.limits.duplicate_window
    if window <= 0:
        raise NotPossible("risk.duplicate_window = 0: the control is switched off in your configuration")
    d.passes("an order passes", BUY, 1, 23_990)
    d.refuses("duplicate", "the same at once is refused", BUY, 1, 23_990)
    await d.world.sleep(window + 0.1)
    d.passes(f"after {window:g} s it passes", BUY, 1, 23_990)


@cases.virtual(
    "4.16", "Trading with oneself", "Own orders that meet are a wash trade.", controls=("self_match",)
)
async def self_match(d: VirtualDrill) -> None:
    order = d.passes("a bid away from the market passes", BUY, 1, 23_990)
    await d.status(order, "WORKING")
    d.refuses("self_match", "an offer that would meet it is refused", SELL, 1, 23_990)


@cases.virtual(
    "4.17",
    "Orders that make no sense",
    "Zero size, an expiry in the past: refused here, not at the exchange.",
    controls=("validity",),
)
async def validity(d: VirtualDrill) -> None:
    d.refuses("validity", "0 lots are refused", BUY, 0)
    d.refuses("validity", "an order that expired in 1970 is refused", BUY, 1, tif=TimeInForce.GTD, expire=1)


@cases.virtual(
    "4.18",
    "Instruments that are not allowed",
    "Only what is on the list is traded.",
    controls=("instruments",),
    limits={"allowed": ("CL",)},
)
async def instruments(d: VirtualDrill) -> None:
    d.refuses("instruments", "ES is not on the list and refused", BUY, 1)
    d.passes("CL is on it and passes", BUY, 1, symbol="CL")


@cases.virtual(
    "4.42",
    "A contract that ends",
    "What is held into first notice or the last day is delivered, or closed at the broker's price.",
    controls=("contract_end",),
    limits={"contract_close_days": 2},
    instruments=(replace(ES, ends=START + 2 * DAY + 20 * NS), CL),
)
async def contract_end(d: VirtualDrill) -> None:
    await d.fill(BUY, 2)
    await d.world.sleep(30)
    d.did("two days before its last safe day")
    d.refuses("contract_end", "one more is refused", BUY, 1)
    d.passes("another contract passes", BUY, 1, symbol="CL")
    d.passes("leaving passes", SELL, 2)


@cases.virtual(
    "4.19",
    "A storm of rejections",
    "A venue that rejects everything is telling something; hammering on costs its goodwill, or the port.",
    controls=("reject_storm",),
    keep=("reject_storm", "reject_window"),
    venue={"faults": {"reject_new": 1.0}},
)
async def rejects(d: VirtualDrill) -> None:
    limit = d.within_reach("risk.reject_storm", d.limits.reject_storm, 300)
    d.did(f"the exchange rejects everything; {limit} orders in a row")
    pause = min(0.05, d.limits.reject_window / (2 * limit))
    for n in range(limit):
        d.world.send(BUY, 1, 23_990 - n % 50)
        await d.world.sleep(pause)
    await d.world.sleep(0.05)
    await acted(d, "reject_storm")
    d.refuses(("reject_storm", "trading_state"), "the next order is refused here", BUY, 1, 23_900)


@cases.virtual(
    "4.20",
    "A storm of errors",
    "Reports that cannot be read, again and again: something is broken, and new risk waits.",
    controls=("error_rate",),
    keep=("error_storm", "error_window"),
)
async def errors(d: VirtualDrill) -> None:
    limit = d.limits.error_storm
    if limit > 500:
        raise NotPossible(f"risk.error_storm = {limit:,d} is more than a drill reaches")
    d.did(f"the adapter hands over {limit} reports that make no sense")
    for n in range(limit):
        d.world.engine.on_fact(f"garbage {n}")  # type: ignore[arg-type]
        await d.world.sleep(0.01)
    await d.world.sleep(0.1)
    await acted(d, "error_rate")
    d.refuses(("error_rate", "trading_state"), "an opening order is refused", BUY, 1)


@cases.virtual(
    "4.21",
    "A strategy that trades too often",
    "Repeated executions stop that strategy alone, until a person looks at it.",
    controls=("executions",),
    limits={"max_executions": 6},
    keep=("execution_window", "execution_action"),
)
async def executions(d: VirtualDrill) -> None:
    d.did("limit for this case: 6 executions; buy and sell in turns")
    for n in range(6):
        await d.fill(BUY if n % 2 == 0 else SELL, 1)
    await d.until(
        "the strategy pauses",
        lambda: bool(d.world.engine.gate.preview(d.world.order(BUY, 1), d.world.engine.view)),
    )
    d.refuses("executions", "its next order is refused", BUY, 1)
    d.passes("another strategy goes on", BUY, 1, strategy="other")


OWN = {
    "strategies": (
        {
            "module": "app.drill.quiet:Quiet",
            "name": "own",
            "symbols": ("ES",),
            "max_position": 2,
            "max_working": 1,
            "max_loss": Decimal(500),
            "on_stop": "flatten",
        },
    )
}


@cases.virtual(
    "4.22",
    "A strategy's own limits",
    "One strategy's mistake must not use up the account's limits.",
    controls=("strategy_position", "strategy_working"),
    config=OWN,
)
async def strategy_limits(d: VirtualDrill) -> None:
    d.did("a strategy that may hold 2 lots, rest 1 order, and lose 500")
    d.refuses("strategy_position", "3 lots are refused", BUY, 3, strategy="own")
    d.passes("1 order passes", BUY, 1, 23_990, strategy="own")
    d.refuses("strategy_working", "a 2nd one is refused", BUY, 1, 23_980, strategy="own")


@cases.virtual(
    "4.23",
    "A strategy's own loss",
    "It is stopped by its own loss, long before the account's.",
    controls=("strategy_loss",),
    config=OWN,
)
async def strategy_loss(d: VirtualDrill) -> None:
    order, refusal = d.world.send(BUY, 2, strategy="own")
    d.need("it buys 2", refusal is None, refusal or "it passed", order.id)
    await d.status(order, "FILLED")
    d.did("the market falls by 30 ticks: 750 lost of 500 allowed")
    d.world.move("ES", 23_970)
    await d.until(
        "the strategy is stopped",
        lambda: (
            (s := d.world.engine.core.books.strategies.get("own")) is not None
            and s.state in ("stopped", "failed")
        ),
        within=10,
        saw=lambda: "" if (s := d.world.engine.core.books.strategies.get("own")) is None else s.reason,
    )
    await d.until(
        "its position is closed, as it is configured",
        lambda: d.world.position() == 0,
        within=30,
        saw=lambda: f"{d.world.position():+d}",
    )
    d.refuses("trading_state", "it opens nothing more until a person resumes it", BUY, 1, strategy="own")


@cases.virtual(
    "4.24",
    "Halt, pause and recovery",
    "After the kill switch nothing opens, whoever asks, until a person resets it.",
    controls=("trading_state",),
)
async def trading_state(d: VirtualDrill) -> None:
    answer = await d.world.command(Pause())
    d.did(f"pause: {answer.text}")
    d.refuses("trading_state", "paused, an opening order is refused", BUY, 1)
    answer = await d.world.command(Resume())
    d.did(f"resume: {answer.text}")
    d.passes("resumed, it passes", BUY, 1, 23_990)
    await d.world.sleep(0.3)
    answer = await d.world.command(Kill(flatten=False, reason="drill"))
    d.did(f"kill without flatten: {answer.text}")
    d.check("all orders are cancelled", not d.world.engine.core.books.orders.working(), answer.text)
    d.refuses("trading_state", "halted, an opening order is refused", BUY, 1)
    await d.reset()
    d.passes("reset by a person, it trades again", BUY, 1)


@cases.virtual(
    "4.25",
    "The risk loop itself stops",
    "Who watches the watcher: without a risk loop on time nothing is opened.",
    controls=("risk_loop",),
)
async def risk_loop(d: VirtualDrill) -> None:
    await d.fill(BUY, 1)
    d.did("the risk loop is stopped")
    d.world.engine._ticker.stop()
    await d.world.sleep(0.5)
    d.refuses("risk_loop", "an opening order is refused", BUY, 1)
    order = d.passes("one that reduces passes", SELL, 1)
    await d.status(order, "FILLED")


@cases.virtual(
    "4.26",
    "Flatten closes what is there, and not one lot more",
    "A flatten that overshoots opens the opposite position.",
    controls=("flatten_qty",),
)
async def flatten_quantity(d: VirtualDrill) -> None:
    await d.fill(BUY, 3)
    await d.world.sleep(d.world.config.reconcile.every + 1)
    d.refuses(
        "flatten_qty", "flattening 4 of 3 is refused", SELL, 4, strategy="flatten", purpose=Purpose.FLATTEN
    )
    order = d.passes("flattening 3 of 3 passes", SELL, 3, strategy="flatten", purpose=Purpose.FLATTEN)
    await d.status(order, "FILLED")
    d.agree()
