"""From callbacks to facts, without a wire: each odd behaviour of TWS is a line of a table."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest

from brokers.ib import raw
from brokers.ib.contracts import Resolved
from brokers.ib.terms import OrderTerms, Wanted
from brokers.ib.tickets import Ticket, Tickets
from brokers.ib.translate import Translator, is_ours
from engine.facts import (
    AnyFact,
    Canceled,
    Gap,
    OrderFact,
    Replaced,
    ReplaceRejected,
    Restated,
)
from engine.model import OrderType, Replace, Side
from tests.conformance.benches.venue import ES

OURS = "s-ab12x1yz-1"
CONTRACT = raw.Contract(1, "ES", "FUT", "20251219", "50", "CME", "USD", "ESZ5", "ES")
WHERE = Resolved(ES, Wanted(con_id=1), 1, (), None)


class Desk:
    """A translator with one order of ours that was just sent: buy 5 at 100 ticks (25.00), number 7."""

    def __init__(self, kind: OrderType = OrderType.LIMIT, parent: int = 0) -> None:
        self.facts: list[AnyFact] = []
        self.asked: list[str] = []
        self.tickets = Tickets(client_id=1)
        self.translator = Translator(self.tickets, self, {1: WHERE}.get, lambda: 9)
        sent = OrderTerms(7, WHERE.contract, OURS, "DU1", "BUY", Decimal(5), "LMT", "DAY", parent_id=parent)
        self.ticket = self.tickets.add(
            Ticket(
                ref=OURS,
                symbol="ES",
                side=Side.BUY,
                type=kind,
                contract=WHERE.contract,
                sent=sent,
                number=7,
                client_id=1,
            )
        )

    def tell(self, fact: AnyFact) -> None:
        self.facts.append(fact)

    def confirm(self, ticket: Ticket) -> None:
        self.asked.append(ticket.ref)

    def gap(self, reason: str) -> None:
        self.facts.append(Gap(ts=0, reason=reason))

    def hear(self, *messages: raw.OpenOrder | raw.Status | raw.Error) -> Desk:
        for message in messages:
            if isinstance(message, raw.OpenOrder):
                self.translator.open_order(message)
            elif isinstance(message, raw.Status):
                self.translator.status(message)
            else:
                self.translator.error(self.ticket, message)
        return self

    def names(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]


def opened(
    status: str = "Submitted",
    *,
    qty: int = 5,
    limit: str | None = "25.00",
    perm: int = 99,
    ref: str = OURS,
    number: int = 7,
    client: int = 1,
    kind: str = "LMT",
) -> raw.OpenOrder:
    return raw.OpenOrder(
        order_id=number,
        client_id=client,
        perm_id=perm,
        parent_id=0,
        ref=ref,
        account="DU1",
        contract=CONTRACT,
        action="BUY",
        qty=Decimal(qty),
        type=kind,
        limit=None if limit is None else Decimal(limit),
        aux=Decimal(24) if kind.startswith("STP") else None,
        tif="DAY",
        good_till="",
        oca_group="",
        what_if=False,
        status=status,
        margins=(None, None),
        note="",
        filled=None,
    )


def said(name: str, filled: int = 0, *, perm: int = 99, held: str = "", number: int = 7) -> raw.Status:
    return raw.Status(number, 1, perm, 0, name, Decimal(filled), Decimal(5 - filled), held)


def code(number: int, text: str = "because") -> raw.Error:
    return raw.Error(7, number, text)


@pytest.mark.parametrize(
    ("messages", "facts"),
    [
        ([said("PendingSubmit")], []),
        ([said("ApiPending"), said("PreSubmitted")], ["Acknowledged"]),
        ([opened(), said("Submitted"), said("Submitted")], ["Acknowledged"]),
        ([said("Submitted"), opened(), opened()], ["Acknowledged"]),
        ([said("Submitted", 2), opened(), said("Submitted", 2)], ["Acknowledged"]),
        ([opened(), said("PendingCancel")], ["Acknowledged", "PendingCancel"]),
        ([opened(), said("Filled", 5)], ["Acknowledged"]),
        ([opened(), said("Cancelled", 2)], ["Acknowledged", "Canceled"]),
        ([opened(), said("Cancelled"), said("Cancelled")], ["Acknowledged", "Canceled"]),
        ([opened(), said("ApiCancelled")], ["Acknowledged", "Canceled"]),
        (
            [opened(), said("Cancelled"), said("Submitted")],
            ["Acknowledged", "Canceled", "OrderReport", "Gap"],
        ),
        ([opened(), said("Inactive")], ["Acknowledged"]),
        ([opened(), said("Inactive"), said("Submitted")], ["Acknowledged", "Released"]),
        ([opened(), code(10349)], ["Acknowledged", "BrokerNotice"]),
        ([opened(), code(399)], ["Acknowledged", "BrokerNotice"]),
        ([opened(), code(202)], ["Acknowledged", "BrokerNotice"]),
        ([opened(), code(202), said("Cancelled")], ["Acknowledged", "BrokerNotice", "Canceled"]),
        ([opened(), code(201)], ["Acknowledged", "BrokerNotice"]),
        ([opened(), code(77777)], ["Acknowledged", "BrokerNotice"]),
        ([code(201)], []),
        ([code(201), said("Inactive")], []),
        ([code(201), said("Cancelled")], ["Rejected"]),
        ([said("Cancelled"), code(201)], ["Canceled", "Rejected"]),
        ([opened(), opened(qty=4)], ["Acknowledged", "Restated"]),
        ([opened(), opened(perm=100)], ["Acknowledged", "Gap"]),
        ([said("Filled", 5), opened("Filled")], []),
        ([opened(ref="theirs-of-another-kind", perm=5, number=8)], []),
    ],
)
def test_what_each_callback_is_taken_for(
    messages: list[raw.OpenOrder | raw.Status | raw.Error], facts: list[str]
) -> None:
    assert Desk().hear(*messages).names() == facts


@pytest.mark.parametrize(
    "messages",
    [
        [said("Filled", 5)],
        [opened(), said("Cancelled")],
        [opened(), said("Inactive")],
        [code(201)],
        [opened(), code(77777)],
        [opened(), code(201)],
    ],
)
def test_what_leaves_a_question_is_looked_after(
    messages: list[raw.OpenOrder | raw.Status | raw.Error],
) -> None:
    assert OURS in Desk().hear(*messages).asked


def test_no_order_of_callbacks_makes_another_story() -> None:
    """openOrder and orderStatus of a fill in parts, in every order: acknowledged once, never ended twice."""
    messages = [
        opened("PreSubmitted"),
        said("PreSubmitted"),
        opened(),
        said("Submitted", 2),
        said("Filled", 5),
    ]
    for order in permutations(messages):
        desk = Desk().hear(*order)
        names = [n for n in desk.names() if n not in ("OrderReport", "Gap")]
        assert names.count("Acknowledged") == 1 and set(names) <= {"Acknowledged", "Released"}, (names, order)
        assert all(not isinstance(f, OrderFact) or f.order_id == OURS for f in desk.facts)


def change(desk: Desk, qty: int, limit: int) -> str:
    name = f"r-ab12x1yz-{len(desk.ticket.changes) + 1}"
    desk.ticket.changes.append(Replace(id=name, order_id=OURS, qty=qty, limit=limit))
    return name


def test_a_change_stands_only_when_open_order_shows_it() -> None:
    desk = Desk().hear(opened())
    name = change(desk, 3, 104)
    desk.hear(opened(), said("Submitted"))
    assert "Replaced" not in desk.names()
    desk.hear(opened(qty=3, limit="26.00"))
    (done,) = [f for f in desk.facts if isinstance(f, Replaced)]
    assert (done.replace_id, done.qty, done.limit) == (name, 3, 104) and not desk.ticket.changes


def test_a_refused_change_is_the_change_not_the_order() -> None:
    desk = Desk().hear(opened())
    name = change(desk, 3, 104)
    desk.hear(code(10326))
    (refused,) = [f for f in desk.facts if isinstance(f, ReplaceRejected)]
    assert refused.replace_id == name and not [f for f in desk.facts if isinstance(f, Canceled)]


def test_a_change_that_was_overtaken_is_told_as_such() -> None:
    desk = Desk().hear(opened())
    first, second = change(desk, 3, 104), change(desk, 4, 108)
    desk.hear(opened(qty=4, limit="27.00"))
    told = {type(f).__name__: f.replace_id for f in desk.facts if isinstance(f, Replaced | ReplaceRejected)}
    assert told == {"ReplaceRejected": first, "Replaced": second}


def test_a_change_by_hand_is_no_answer_to_ours() -> None:
    desk = Desk().hear(opened())
    change(desk, 3, 104)
    desk.hear(opened(qty=5, limit="24.00"))
    (restated,) = [f for f in desk.facts if isinstance(f, Restated)]
    assert (restated.qty, restated.limit) == (5, 96) and len(desk.ticket.changes) == 1


def test_changes_end_with_their_order() -> None:
    desk = Desk().hear(opened())
    change(desk, 3, 104)
    desk.hear(said("Cancelled"))
    assert desk.names() == ["Acknowledged", "ReplaceRejected", "Canceled"]


def test_cancelled_says_whether_we_asked() -> None:
    asked, unasked = Desk().hear(opened()), Desk().hear(opened())
    asked.ticket.cancel_asked = True
    for desk, expected in ((asked, False), (unasked, True)):
        desk.hear(said("Cancelled", 2))
        (told,) = [f for f in desk.facts if isinstance(f, Canceled)]
        assert (told.unsolicited, told.cum) == (expected, 2)


def test_a_stop_triggers_and_a_child_is_released() -> None:
    stop = Desk(kind=OrderType.STOP).hear(
        opened("PreSubmitted", kind="STP"), said("PreSubmitted", held="trigger"), said("Submitted")
    )
    assert stop.names() == ["Acknowledged", "Triggered"]
    child = Desk(parent=6).hear(opened("PreSubmitted"), said("PreSubmitted", held="child"), said("Submitted"))
    assert child.names() == ["Acknowledged", "Suspended", "Released"]


def test_ended_orders_are_let_go_and_open_ones_never() -> None:
    tickets, kept = Tickets(client_id=1), []
    sent = OrderTerms(1, WHERE.contract, OURS, "DU1", "BUY", Decimal(5), "LMT", "DAY")
    for n in range(1, 6_001):
        ref = f"s-ab12x1yz-{n}"
        ticket = tickets.add(
            Ticket(
                ref=ref,
                symbol="ES",
                side=Side.BUY,
                type=OrderType.LIMIT,
                contract=WHERE.contract,
                sent=sent,
                number=n,
                client_id=1,
                perm=n,
            )
        )
        ticket.over = n % 100 != 0
        if not ticket.over:
            kept.append(ref)
    assert len(list(tickets)) <= 4_000
    assert all(tickets.by_ref(ref) is not None for ref in kept)
    assert tickets.by_ref("s-ab12x1yz-1") is tickets.by_perm(1) is tickets.by_number(1) is None


def test_an_old_number_of_a_new_session_is_another_order() -> None:
    desk = Desk().hear(opened())
    desk.tickets.new_session()
    desk.hear(said("Cancelled", perm=500, number=7))
    assert desk.names() == ["Acknowledged"]


def test_a_number_in_use_for_another_permanent_id_is_not_ours() -> None:
    desk = Desk().hear(opened())
    desk.hear(said("Cancelled", perm=500))
    assert desk.names() == ["Acknowledged"]


@pytest.mark.parametrize(
    ("ref", "ours"),
    [(OURS, True), ("flatten-ab12x1yz-z9", True), ("", False), ("My order", False), ("a-b-c", False)],
)
def test_only_our_own_ids_are_ours(ref: str, ours: bool) -> None:
    assert is_ours(ref) is ours
