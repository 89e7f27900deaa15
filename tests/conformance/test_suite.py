"""The suite itself: numbered in groups, shown in the README, and able to find a crooked adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from brokers.base import exchange_capabilities
from brokers.ib.config import IbConfig
from brokers.ib.orders import capabilities
from brokers.paper import PaperAdapter
from brokers.shadow.adapter import common
from engine.facts import AnyFact, Corrected, Executed, Gap, OpenOrders, OrderReport, Positions, Rejected
from engine.model import Order, OrderStatus
from engine.ports import NotSent, QueryFailed
from engine.sending import Recorded
from tests.conformance import table
from tests.conformance.benches import paper
from tests.conformance.suite import CASES, GROUPS


def test_cases_are_numbered_in_their_groups() -> None:
    order = [GROUPS.index(CASES[number].group) for number in sorted(CASES)]
    assert order == sorted(order) and set(order) == set(range(len(GROUPS)))
    assert len(CASES) >= 60


def test_the_readme_shows_what_passed() -> None:
    assert table.in_readme() == table.render(table.read()), "say: python -m tests.conformance"


def test_ranges_are_read_as_they_are_written() -> None:
    assert table.ranges({1, 2, 3, 5, 8, 7}) == "1-3 5 7-8"
    assert table.numbers("1-3 5 7-8") == {1, 2, 3, 5, 7, 8}


ABILITIES = {
    "replace_in_place": 55,
    "reduce_only": 29,
    "post_only": 28,
    "oco": 74,
    "bracket": 70,
    "what_if": 144,
    "cancel_all": 155,
    "dead_man": 156,
}
"""Fields of a capability record, and the case that shows each."""


def test_capability_records_say_what_the_suite_observed() -> None:
    records = {"paper": exchange_capabilities(40, what_if=True), "loopback": exchange_capabilities(40)}
    records["shadow"] = common(records["paper"], records["paper"])
    records |= {name: capabilities(IbConfig()) for name in table.read() if name.startswith("ib ")}
    assert set(records) == set(table.read())
    for name, result in table.read().items():
        for field, number in ABILITIES.items():
            assert getattr(records[name], field) is (number in result.passed), (name, field)
            assert (number in result.refused) is not (number in result.passed), (name, field)


class Eager(PaperAdapter):
    """Delivers from within the call."""

    def submit(self, order: Recorded[Order]) -> None:
        super().submit(order)
        self._outlet.now(Rejected(ts=0, order_id=order.request.id, reason="from within"))


class Hopeful(PaperAdapter):
    """Reads a failed question as an empty answer."""

    async def open_orders(self) -> OpenOrders:
        try:
            return await super().open_orders()
        except QueryFailed:
            return OpenOrders(as_of=0, ours=())

    async def positions(self) -> Positions:
        try:
            return await super().positions()
        except QueryFailed:
            return Positions(as_of=0, positions=())


class Hoarder(PaperAdapter):
    """Keeps orders for later while the line is down."""

    kept: list[Recorded[Order]]

    def submit(self, order: Recorded[Order]) -> None:
        try:
            super().submit(order)
        except NotSent:
            self.kept = [*getattr(self, "kept", []), order]

    async def connect(self) -> None:
        await super().connect()
        for order in getattr(self, "kept", []):
            super().submit(order)


class Filtered(PaperAdapter):
    """Loses facts of some kind."""

    lost: tuple[type[Any], ...] = ()

    def _on_fact(self, fact: AnyFact) -> None:
        if not isinstance(fact, self.lost):
            super()._on_fact(fact)


class NoCorrections(Filtered):
    lost = (Corrected,)


class NoGaps(Filtered):
    lost = (Gap,)


class OnlyOurs(Filtered):
    """Drops executions that belong to no order of ours."""

    def _on_fact(self, fact: AnyFact) -> None:
        if not (isinstance(fact, Executed) and fact.fill.order_id is None):
            super()._on_fact(fact)


class Forgetful(PaperAdapter):
    """Says that a cancelled order works."""

    async def query_order(self, order_id: str, broker_id: str | None) -> Any:
        answer = await super().query_order(order_id, broker_id)
        if isinstance(answer, OrderReport) and answer.status is OrderStatus.CANCELED:
            return OrderReport(
                ts=answer.ts, order_id=order_id, status=OrderStatus.WORKING, qty=answer.qty, cum=0, leaves=1
            )
        return answer


class Boundless(PaperAdapter):
    """Keeps no lanes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lanes.take = lambda *, cancel: None  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("crooked", "found_by"),
    [
        (Eager, [2]),
        (Hopeful, [92, 93, 100, 104]),
        (Hoarder, [5, 100, 106]),
        (NoCorrections, [84, 85, 86, 88]),
        (NoGaps, [101, 102, 110]),
        (OnlyOurs, [45, 87, 142]),
        (Forgetful, [98, 153]),
        (Boundless, [120, 121]),
    ],
)
def test_a_crooked_adapter_is_found(
    crooked: Callable[..., PaperAdapter], found_by: Sequence[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "PaperAdapter", crooked)
    for number in found_by:
        with pytest.raises((AssertionError, NotSent)):
            paper.run(CASES[number])
