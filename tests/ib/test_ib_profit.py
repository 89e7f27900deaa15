"""The day's profit by IB's own count: told, unset, silent, and asked for anew."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.ib import profit, raw
from brokers.loopback.tws.framing import join
from engine.model import NS
from tests.conformance.benches.ib import IbBench
from tests.conformance.suite import B, submit, until_filled
from tests.ib.kit import needs_library, play, reconnect

pytestmark = needs_library


def test_the_profit_of_the_day_comes_with_the_account() -> None:
    async def script(bench: IbBench) -> None:
        assert (await bench.adapter.account_values()).day_pnl == 0
        await until_filled(bench, await submit(bench, B, 2), 2)
        await bench.until(lambda: bool(bench.ib.profit._value), "the loss of the spread and the fees")
        values = await bench.adapter.account_values()
        equity = values.equity
        assert values.day_pnl is not None and values.day_pnl < 0 and equity is not None
        assert values.day_pnl == pytest.approx(equity - 1_000_000)
        assert values.excess_liquidity == equity - (values.maintenance_margin or 0)

    play(script, tws={"pnl_interval": 0.05})


def test_an_unset_profit_is_unknown_and_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profit, "FIRST", NS // 10)

    async def script(bench: IbBench) -> None:
        bench.gateway.script.drop("pnl_value", times=1_000)
        assert (await bench.adapter.account_values()).day_pnl is None
        bench.ib.profit.take(raw.Pnl(bench.ib.profit._req, raw.number(1.7976931348623157e308)))
        assert (await bench.adapter.account_values()).day_pnl is None
        bench.ib.profit.take(raw.Pnl(bench.ib.profit._req, Decimal(-5)))
        assert (await bench.adapter.account_values()).day_pnl == -5

    play(script)


@pytest.mark.parametrize("unset", ["", "1.7976931348623157E308"])
def test_an_empty_field_on_the_wire_is_an_unknown_profit(monkeypatch: pytest.MonkeyPatch, unset: str) -> None:
    """The libraries would make a zero of an empty one."""
    monkeypatch.setattr(profit, "FIRST", NS // 10)

    async def script(bench: IbBench) -> None:
        heard: list[raw.Pnl] = []
        take = bench.ib.profit.take

        def hear(message: raw.Raw) -> None:
            if isinstance(message, raw.Pnl):
                heard.append(message)
            take(message)

        bench.ib.profit.take = hear  # type: ignore[method-assign]
        bench.gateway.script.drop("pnl_value", times=1_000)
        await bench.adapter.account_values()
        (client,) = bench.gateway.clients.values()
        for figure in (unset, "-7.25"):
            client._write(join(["94", str(bench.ib.profit._req), figure, "0", "0"]))
            known = len(heard)
            await bench.until(lambda known=known: len(heard) > known, "a figure")  # type: ignore[misc]
        assert [message.daily for message in heard] == [None, Decimal("-7.25")]
        assert (await bench.adapter.account_values()).day_pnl == Decimal("-7.25")

    play(script)


def test_after_a_silence_it_is_asked_for_anew_and_then_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profit, "RENEW", NS // 20)
    monkeypatch.setattr(profit, "FRESH", NS // 5)

    async def script(bench: IbBench) -> None:
        first = bench.ib.profit._req
        await bench.adapter.account_values()
        await bench.settle()
        await bench.settle()
        assert (await bench.adapter.account_values()).day_pnl == 0  # an old figure, and a question under way
        assert bench.ib.profit._req != first
        bench.gateway.script.drop("pnl_value", times=1_000)
        for _ in range(6):
            await bench.settle()
        assert (await bench.adapter.account_values()).day_pnl is None

    play(script, tws={"pnl_interval": 60})


def test_a_new_session_asks_again() -> None:
    async def script(bench: IbBench) -> None:
        assert (await bench.adapter.account_values()).day_pnl == 0
        await bench.drop()
        await reconnect(bench)
        assert bench.ib.profit._value is None
        assert (await bench.adapter.account_values()).day_pnl == 0

    play(script)


def test_the_margin_of_the_next_change_is_told_where_one_is_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gateway announces none; TWS gives the time in seconds, 0 for none."""

    async def script(bench: IbBench) -> None:
        values = await bench.adapter.account_values()
        assert values.next_change is None
        told = bench.gateway.accounts.values
        changed = {"LookAheadNextChange": "1795651200", "LookAheadInitMarginReq": "48000.00"}
        monkeypatch.setattr(
            bench.gateway.accounts,
            "values",
            lambda account: [(k, changed.get(k, v), c) for k, v, c in told(account)],
        )
        values = await bench.adapter.account_values()
        assert (values.next_margin, values.next_change) == (48_000, 1_795_651_200 * NS)

    play(script)
