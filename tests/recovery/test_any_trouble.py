"""Whatever happens to the link, in whatever order: never two sessions, and in the end agreement, or flat."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.control.commands import Kill
from engine.model import NS, Side
from tests.effort import effort
from tests.engine.rig import Rig
from tests.recovery.kit import TWO, session, up_sessions

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "drop",
                "drop for long",
                "silence",
                "shut primary",
                "shut backup",
                "open",
                "ask in vain",
                "order",
            ]
        ),
        st.integers(1, 120),
    ),
    min_size=1,
    max_size=12,
)


def trouble(rig: Rig, what: str, tenths: int) -> None:
    exchange, account = rig.exchange, rig.config.account
    match what:
        case "drop":
            exchange.drop_link(account)
        case "drop for long":
            exchange.drop_link(account, down_for=tenths * 2 * NS)
        case "silence":
            session(rig).go_silent(tenths * NS, "noticed at last", None)
        case "shut primary" | "shut backup":
            exchange.shut_gateway(what.removeprefix("shut "))
        case "open":
            exchange.open_gateway("primary")
        case "ask in vain":
            exchange.faults.arm("query_lost", tenths // 10)
        case "order":
            rig.send(Side.BUY if tenths % 2 else Side.SELL, 1 + tenths % 3, 24_001 if tenths % 2 else 24_000)


@pytest.mark.timeout(600)
@settings(max_examples=effort(15, 200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, kill_at=st.one_of(st.none(), st.integers(0, 12)), jitter=st.floats(0, 1))
def test_it_ends_in_agreement_or_flat(
    steps: list[tuple[str, int]], kill_at: int | None, jitter: float
) -> None:
    async def script(rig: Rig) -> None:
        seen: list[int] = []

        async def look() -> None:
            while True:
                seen.append(up_sessions(rig))
                await rig.sleep(0.02)

        looking = asyncio.ensure_future(look())
        await rig.fill(Side.BUY, 2)
        killed = False
        for number, (what, tenths) in enumerate(steps):
            if number == kill_at:
                rig.engine.command(Kill(reason="drill"), "test")
                killed = True
            trouble(rig, what, tenths)
            await rig.sleep(tenths / 10)
        rig.exchange.faults.clear()
        for gateway in ("primary", "backup"):
            rig.exchange.open_gateway(gateway)
        # The longest of what may still be under way: a silent line, a dead one, and the back-off after it.
        await rig.sleep(240 + 20 + 30)
        looking.cancel()
        core = rig.engine.core
        assert max(seen) <= 1, "two sessions at once"
        assert core.link_up and rig.engine.reconciler.agreed, (core.link_text, rig.alerts())
        assert rig.position() == rig.venue_position()
        assert not [r for r in core.books.orders.working() if r.life.in_flight is not None]
        if killed:
            assert rig.engine.kill.progress.verdict.startswith("flat") and rig.venue_position() == 0
            assert not rig.exchange.books.open_orders(rig.config.account)
            assert core.books.halts.account() is not None
        else:
            assert rig.engine.view.enabled

    link = {"heartbeat": 2, "patience": 6, "retry_max": 20, "retry_jitter": jitter, "failback": "quiet"}
    Rig.play(
        script,
        config={
            "link": {**link, "failback_after": 20},
            "connections": TWO,
            "orders": {"answer_after": 1},
            "risk": {"duplicate_window": 0},
        },
    )
