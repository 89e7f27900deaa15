"""Cases 80 to 88: the list of executions, and executions that change afterwards."""

from __future__ import annotations

from engine.facts import Acknowledged, Busted, Corrected, Executed
from tests.conformance.suite import (
    B,
    Bench,
    S,
    case,
    filled,
    of,
    standing,
    submit,
    until_filled,
    until_seen,
)

GROUP = "executions and corrections"


@case(80, GROUP, shows="list of executions")
async def the_list_is_what_was_told(bench: Bench) -> None:
    """Given fills that were told, when executions are asked for, then the list has the same, under the same
    identities."""
    await until_filled(bench, await submit(bench, B, 12), 12)
    await until_filled(bench, await submit(bench, S, 5), 5)
    history = await bench.adapter.executions(0)
    told = {f.key: (f.order_id, f.side, f.qty, f.price) for f in standing(bench).values()}
    assert {f.key: (f.order_id, f.side, f.qty, f.price) for f in history.fills} == told
    assert [f.ts for f in history.fills] == sorted(f.ts for f in history.fills)


@case(81, GROUP)
async def the_list_begins_where_it_is_asked_to(bench: Bench) -> None:
    """Given fills, when executions after the latest are asked for, then the list is empty."""
    await until_filled(bench, await submit(bench, B, 2), 2)
    history = await bench.adapter.executions(0)
    assert history.fills
    assert not (await bench.adapter.executions(history.as_of + 2_000_000_000)).fills


@case(82, GROUP)
async def two_lists_are_the_same(bench: Bench) -> None:
    """Given fills, when executions are asked for twice, then both lists have the same identities."""
    await until_filled(bench, await submit(bench, B, 12), 12)
    first, second = await bench.adapter.executions(0), await bench.adapter.executions(0)
    assert [f.key for f in first.fills] == [f.key for f in second.fills] != []


@case(83, GROUP, shows="busted executions")
async def a_bust_takes_it_back(bench: Bench) -> None:
    """Given an execution, when the venue busts it, then Busted names it and the list does not count it."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    key = of(bench, Executed, order_id)[0].fill.key
    await bench.bust(key)
    await bench.until(lambda: bool(of(bench, Busted)), "Busted")
    assert of(bench, Busted)[0].key == key and not filled(bench, order_id)
    history = await bench.adapter.executions(0)
    assert key not in {f.key for f in history.fills} - set(history.busted)


@case(84, GROUP, shows="corrected executions")
async def a_corrected_price_replaces(bench: Bench) -> None:
    """Given an execution, when the venue corrects its price, then Corrected replaces it and the lots count
    once."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    key = of(bench, Executed, order_id)[0].fill.key
    await bench.correct(key, 103)
    await bench.until(lambda: any(f.fill.price == 103 for f in of(bench, Corrected)), "Corrected")
    assert of(bench, Corrected)[-1].key == key
    assert [(f.qty, f.price) for f in standing(bench).values()] == [(2, 103)]


@case(85, GROUP)
async def a_corrected_quantity_replaces(bench: Bench) -> None:
    """Given an execution of 3 lots, when the venue corrects it to 2, then 2 count."""
    order_id = await submit(bench, B, 3)
    await until_filled(bench, order_id, 3)
    await bench.correct(of(bench, Executed, order_id)[0].fill.key, 101, 2)
    await bench.until(lambda: filled(bench, order_id) == 2, "the corrected quantity")
    assert {p.symbol: p.qty for p in (await bench.adapter.positions()).positions} == {"ES": 2}


@case(86, GROUP)
async def the_list_shows_the_correction_once(bench: Bench) -> None:
    """Given a corrected execution, when executions are asked for, then the list counts its new terms and not
    the old beside them."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    await bench.correct(of(bench, Executed, order_id)[0].fill.key, 103)
    await bench.until(lambda: any(f.fill.price == 103 for f in of(bench, Corrected)), "Corrected")
    history = await bench.adapter.executions(0)
    counted = [f for f in history.fills if f.key not in set(history.busted)]
    assert [(f.qty, f.price) for f in counted] == [(2, 103)]


@case(87, GROUP)
async def trades_of_others_are_listed(bench: Bench) -> None:
    """Given a trade by hand, when executions are asked for, then it is listed without an order of ours."""
    await bench.manual_trade(S, 3)
    await bench.until(lambda: bool(of(bench, Executed)), "the manual trade")
    history = await bench.adapter.executions(0)
    assert [(f.order_id, f.side, f.qty) for f in history.fills] == [(None, S, 3)]


@case(88, GROUP)
async def a_second_correction_follows_the_first(bench: Bench) -> None:
    """Given an execution that was corrected, when it is corrected again, then the last terms stand alone."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    await bench.correct(of(bench, Executed, order_id)[0].fill.key, 103)
    await bench.until(lambda: any(f.fill.price == 103 for f in of(bench, Corrected)), "Corrected")
    (now,) = standing(bench)
    await bench.correct(now, 104)
    await bench.until(lambda: any(f.fill.price == 104 for f in of(bench, Corrected)), "the second Corrected")
    assert [(f.qty, f.price) for f in standing(bench).values()] == [(2, 104)]


@case(89, GROUP)
async def a_fill_seen_only_in_the_list(bench: Bench) -> None:
    """Given a part fill whose report is lost, when the rest fills and executions are asked for, then both
    parts are there under different identities."""
    order_id = await submit(bench, B, 12, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.arm("drop_report")
    await bench.trade(98, 25, S)
    await bench.settle()
    await bench.trade(98, 30, S)
    await bench.settle()
    history = await bench.adapter.executions(0)
    there = (await bench.truth()).executions
    assert sum(f.qty for f in history.fills) == sum(f.qty for f in there)
    assert len({f.key for f in history.fills}) == len(there)
