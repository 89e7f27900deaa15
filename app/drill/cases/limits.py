"""Every limit hit on purpose in a calm market, with the trader's own figures: refused, or proven flat."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from msgspec.structs import replace

from app.drill.case import Collection
from app.drill.notes import NotPossible
from app.drill.virtual import VirtualDrill
from app.drill.world import CL, ES
from engine.control.commands import Reset
from engine.model import MarketState, Side

BUY, SELL = Side.BUY, Side.SELL
CHEAP = (replace(ES, initial_margin=Decimal(50), maintenance_margin=Decimal(45)), CL)
"""The drill's contracts with little margin, so that margin is not what speaks."""
NOTIONAL = Decimal(24_001) * ES.tick_value
"""Of one contract at the offer."""

cases = Collection()


async def acted(d: VirtualDrill, control: str, scope: str = "") -> None:
    """The control has tripped and does what the configuration says."""
    await d.until(
        f"{control} trips",
        lambda: d.world.reading(control, scope).state == "TRIPPED",
        saw=lambda: f"{d.world.reading(control, scope).state}: {d.world.reading(control, scope).detail}",
        within=10,
        essential=True,
    )
    action = d.world.reading(control, scope).action
    d.did(f"the configuration says: {action}")
    if action == "kill":
        await d.proven_flat()
        halt = d.world.engine.core.books.halts.account()
        d.check("the account is halted", halt is not None, halt.reason if halt is not None else "not halted")
    if action in ("cancel", "kill"):
        left = [r.order.id for r in d.world.engine.core.books.orders.working()]
        await d.until(
            "no entry order works", lambda: not d.world.engine.core.books.orders.working(), saw=lambda: left
        )
    d.check("a person is told", control in d.world.alerts(), sorted(set(d.world.alerts())))


def loss_limit(d: VirtualDrill, pct: Decimal, amount: Decimal | None) -> Decimal:
    """The tighter of both, in money. Raises `NotPossible` where a day may lose most of the account."""
    share = d.world.plan.cash * pct / 100
    limit = share if amount is None else min(share, amount)
    if limit > d.world.plan.cash / 2:
        raise NotPossible(f"a daily loss of {limit:,.0f} of {d.world.plan.cash:,.0f} is no limit")
    return limit


def lots_for(loss: Decimal, ticks: int) -> int:
    """Lots that lose so much over so many ticks, and a tenth more."""
    return max(1, int((loss * Decimal("1.1") / (ES.tick_value * ticks)).to_integral_value(ROUND_CEILING)))


@cases.virtual(
    "4.1",
    "Daily loss",
    "A bad day must end before a bad night begins; the stop outlives a reset of the halt.",
    controls=("daily_loss",),
    keep=("daily_loss_pct", "daily_loss_amount"),
    instruments=CHEAP,
)
async def daily_loss(d: VirtualDrill) -> None:
    limit = loss_limit(d, d.limits.daily_loss_pct, d.limits.daily_loss_amount)
    lots = lots_for(limit, 150)
    d.depth(lots)
    await d.fill(BUY, lots)
    d.did(f"the market falls until more than {limit:,.0f} is lost")
    d.world.move("ES", 24_000 - 170)
    await acted(d, "daily_loss")
    if d.world.engine.core.books.halts.account() is not None:
        await d.reset()
    d.refuses("daily_loss", "with the halt lifted, the day's loss still refuses", BUY, 1)
    answer = await d.world.command(Reset(scope="day_loss"))
    d.did(f"a person resets the day's loss: {answer.text}")
    await d.world.sleep(1)
    d.passes("only then it trades again", BUY, 1)


@cases.virtual(
    "4.2",
    "Drawdown from the day's peak",
    "Giving a good day back is a loss too.",
    controls=("drawdown",),
    keep=("max_drawdown_pct",),
    instruments=CHEAP,
)
async def drawdown(d: VirtualDrill) -> None:
    if d.limits.max_drawdown_pct > 40:
        raise NotPossible(f"risk.max_drawdown_pct = {d.limits.max_drawdown_pct} is no limit")
    limit = d.world.plan.cash * d.limits.max_drawdown_pct / 100
    lots = lots_for(limit * Decimal("1.3"), 150)
    d.depth(lots)
    await d.fill(BUY, lots)
    d.did("the market rises")
    d.world.move("ES", 24_200)
    await d.world.sleep(1)
    d.did(f"and falls back by more than {d.limits.max_drawdown_pct} % of the peak, still above the entry")
    d.world.move("ES", 24_020)
    await acted(d, "drawdown")


@cases.virtual(
    "4.3",
    "Maximum position",
    "Worst case: what is held, what works and what is in flight count together.",
    controls=("max_position",),
    keep=("max_position",),
    instruments=CHEAP,
)
async def max_position(d: VirtualDrill) -> None:
    limit = d.within_reach("risk.max_position", d.limits.max_position, 2_000)
    if limit == 0:
        d.refuses("max_position", "not one lot passes", BUY, 1)
        return
    held = limit // 2
    d.depth(limit)
    if held:
        await d.fill(BUY, held)
    d.passes("what fits passes, and works", BUY, limit - held, 23_990)
    d.refuses("max_position", "one lot more is refused while that order is in flight", BUY, 1, 23_980)
    await d.world.sleep(0.5)
    d.refuses("max_position", "and while it works", BUY, 1, 23_980)
    if held:
        d.passes("what reduces passes", SELL, held)


@cases.virtual(
    "4.4",
    "Order size",
    "A fat finger typed 444 billion once.",
    controls=("order_qty", "order_notional"),
    keep=("max_order_qty", "max_order_notional"),
    instruments=CHEAP,
)
async def order_size(d: VirtualDrill) -> None:
    by_money = int(d.limits.max_order_notional / NOTIONAL)
    qty = d.limits.max_order_qty
    d.refuses("order_qty", f"{qty + 1:,d} lots, one above the limit, are refused", BUY, qty + 1)
    if by_money < qty:
        d.refuses("order_notional", f"{by_money + 1:,d} lots are worth too much", BUY, by_money + 1)
    largest = min(qty, by_money, 2_000)
    if largest:
        d.passes(f"{largest:,d} lots, within both, pass", BUY, largest, 23_990)


@cases.virtual(
    "4.5",
    "Value of one order",
    "Value is |price| × size × multiplier, so that no sign slips under it.",
    controls=("order_notional",),
    limits={"max_order_notional": Decimal(400_000)},
    touch={"ES": (24_000, 24_001), "CL": (-30_000, -29_999)},
)
async def order_value(d: VirtualDrill) -> None:
    d.did("the limit is 400,000; one ES is worth 300,000, and oil stands at −300")
    d.passes("1 ES passes", BUY, 1, 23_990)
    d.refuses("order_notional", "2 ES are refused", BUY, 2)
    d.refuses("order_notional", "2 CL below zero are refused as well", BUY, 2, symbol="CL")


@cases.virtual(
    "4.6",
    "Order rate",
    "A burst beyond the budget is refused; a cancel never is.",
    controls=("order_rate",),
    keep=("order_rate", "order_burst", "cancel_rate"),
)
async def order_rate(d: VirtualDrill) -> None:
    burst = d.limits.order_burst
    if burst > 500:
        raise NotPossible(f"risk.order_burst = {burst:,d} is no throttle that a drill could reach")
    d.did(f"{burst} orders at once, as many as risk.order_burst allows")
    sent = [d.world.send(BUY, 1, 23_900 - n) for n in range(burst)]
    refused = [refusal for _, refusal in sent if refusal is not None]
    d.check("they pass", not refused, refused[0] if refused else f"{burst} passed")
    d.refuses("order_rate", "the next one is refused", BUY, 1, 23_000)
    await d.world.sleep(0.1)
    problems = [p for p in (d.world.engine.intake.cancel(order.id) for order, _ in sent) if p]
    d.check("every cancel is taken all the same", not problems, problems[:1] or f"{burst} cancels")
    await d.until(
        "all of them are cancelled",
        lambda: all(d.world.status(order) == "CANCELED" for order, _ in sent),
        within=30,
    )


@cases.virtual(
    "4.7",
    "A price out of its collar",
    "A limit far from the market is a typing error until proven otherwise.",
    controls=("price_sanity",),
    keep=("collar_pct",),
)
async def collar(d: VirtualDrill) -> None:
    far = int(24_000 * d.limits.collar_pct / 100 * Decimal("1.2")) + 10
    near = int(24_000 * d.limits.collar_pct / 100 * Decimal("0.8"))
    d.refuses("price_sanity", f"a bid {far:,d} ticks above the market is refused", BUY, 1, 24_000 + far)
    if far < 24_000:
        d.refuses("price_sanity", f"an offer {far:,d} ticks below it is refused", SELL, 1, 24_000 - far)
    d.passes(f"a bid {near:,d} ticks below it passes", BUY, 1, 24_000 - near)


@cases.virtual(
    "4.8",
    "A collar below zero",
    "Oil settled at −37.63 in 2020; percent of a price near zero means nothing.",
    controls=("price_sanity",),
    keep=("collar_ticks",),
    touch={"ES": (24_000, 24_001), "CL": (-3_763, -3_762)},
)
async def below_zero(d: VirtualDrill) -> None:
    order = d.passes("a bid at −37.65 passes", BUY, 1, -3_765, symbol="CL")
    await d.status(order, "WORKING")
    far = d.limits.collar_ticks + 50
    d.refuses(
        "price_sanity", f"one {far:,d} ticks above the market is refused", BUY, 1, -3_763 + far, symbol="CL"
    )


@cases.virtual(
    "4.9",
    "Margin",
    "Beyond the threshold positions are reduced to the target, not all thrown away.",
    controls=("margin",),
    keep=("margin_flatten_pct", "margin_target_pct", "margin_action"),
    cash=10_000_000,
)
async def margin(d: VirtualDrill) -> None:
    threshold, target = d.limits.margin_flatten_pct, d.limits.margin_target_pct
    equity = d.world.plan.cash
    lots = int(equity * (threshold - 2) / 100 / ES.initial_margin)
    if lots < 4:
        raise NotPossible(f"risk.margin_flatten_pct = {threshold} leaves no room to drill in")
    d.depth(lots)
    await d.fill(BUY, lots)
    over = int(equity * threshold / 100 / ES.initial_margin) - lots + 2
    d.refuses("margin", f"{over} lots more would pass {threshold} % and are refused", BUY, over)
    used = ES.maintenance_margin * lots
    wanted = max(ES.initial_margin * lots, used) / (threshold / 100)
    ticks = int((equity - wanted) / (ES.tick_value * lots)) + 60
    d.did(f"the market falls by {ticks} ticks, and the margin passes {threshold} % of the equity")
    d.world.move("ES", 24_000 - ticks)
    action = d.limits.margin_action
    if action != "kill":
        await acted(d, "margin")
        return
    await d.until(
        f"positions are reduced to {target} % and that is confirmed twice",
        lambda: d.world.engine.kill.progress.verdict.startswith("reduced to target, confirmed"),
        within=60,
        saw=lambda: d.world.engine.kill.progress.verdict or d.world.engine.kill.progress.steps[-1:],
    )
    left = d.world.position()
    d.check("part of the position is kept", 0 < left < lots, f"{left} of {lots} lots")
    d.agree()


@cases.virtual(
    "4.10",
    "A market too wide",
    "When nobody knows the price, nobody opens; and not at once when it closes again.",
    controls=("spread",),
    keep=("max_spread_ticks", "spread_pause"),
)
async def spread(d: VirtualDrill) -> None:
    wide = d.limits.max_spread_ticks + 6
    with d.trouble(f"{wide} ticks wide"):
        d.did(f"the market is {wide} ticks wide")
        d.world.quote("ES", 24_000, 24_000 + wide)
        await d.world.sleep(0.2)
        d.refuses("spread", "an opening order is refused", BUY, 1)
    d.did("the market is one tick wide again")
    d.world.quote("ES", 24_000, 24_001)
    await d.world.sleep(min(1.0, d.limits.spread_pause / 2))
    d.refuses("spread", "it still pauses", BUY, 1)
    await d.world.sleep(d.limits.spread_pause + 1)
    d.passes(f"after {d.limits.spread_pause:g} s it may be traded again", BUY, 1)


@cases.virtual(
    "4.11",
    "Stale data",
    "Quotes have stood still for days without any error; here that stops new risk, never the exit.",
    controls=("stale_data",),
    keep=("stale_after",),
)
async def stale(d: VirtualDrill) -> None:
    await d.fill(BUY, 2)
    d.did("the data stops, the link stays up")
    d.world.quoting = False
    begin = d.notes.at()
    with d.trouble("no data"):
        while d.world.engine.gate.preview(d.world.order(BUY, 1), d.world.engine.view) == ():
            await d.world.sleep(0.25)
            if d.notes.at() - begin > d.limits.stale_after * 4 + 30:
                break
        d.notes.figure("data called stale after", f"{d.notes.at() - begin:.2f} s")
        d.refuses("stale_data", "an opening order is refused", BUY, 1)
        order = d.passes("one that reduces passes", SELL, 2, 24_000)
        await d.status(order, "FILLED")
    d.world.quoting = True
    d.did("the data comes back")
    await d.world.sleep(1)
    d.passes("it trades again", BUY, 1)


@cases.virtual(
    "4.12",
    "A market that is halted",
    "Nothing goes into a halted market; cancels do.",
    controls=("market_state",),
)
async def halted_market(d: VirtualDrill) -> None:
    order = d.passes("an order away from the market passes", BUY, 1, 23_990)
    await d.status(order, "WORKING")
    d.did("the exchange halts ES")
    d.world.exchange.set_state("ES", MarketState.HALTED)
    await d.world.sleep(0.3)
    d.refuses("market_state", "an order is refused", BUY, 1)
    d.world.engine.intake.cancel(order.id)
    await d.status(order, "CANCELED")
    d.did("the exchange opens ES again")
    d.world.exchange.set_state("ES", MarketState.OPEN)
    await d.world.sleep(0.5)
    d.passes("it trades again", BUY, 1)
