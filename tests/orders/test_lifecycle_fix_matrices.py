"""The FIX 4.4 order state change matrices (volume 4, appendix D), row by row, as the state machine sees them.

Each case bears the matrix's reference. A row is an event and what stands after it: status, total quantity,
filled quantity, leaves and pending requests (`c` a cancel, `r` one replace each), and the surprises if any.
Executions come as the order book hands them on, after repeats were sorted out.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from orders_kit import S, Venue, order, rep

from engine.lifecycle import (
    CancelSent,
    Code,
    FillApplied,
    FillCorrected,
    FillRemoved,
    LinkLost,
    OrderEvent,
    ReplaceSent,
    Request,
    Unanswered,
    born,
    transition,
)
from engine.model import TimeInForce

NEW, PART, FILLED, CANCELED = S.WORKING, S.PARTIAL_FILL, S.FILLED, S.CANCELED
PENDING, REJECTED, EXPIRED, UNKNOWN = S.PENDING_NEW, S.REJECTED, S.EXPIRED, S.UNKNOWN


class Row(NamedTuple):
    event: OrderEvent
    status: S
    qty: int
    cum: int
    leaves: int
    pending: str = ""
    codes: tuple[Code, ...] = ()


class Case(NamedTuple):
    ref: str
    rows: list[Row]
    tif: TimeInForce = TimeInForce.DAY


def trade(qty: int) -> FillApplied:
    return FillApplied(qty=qty)


def ask(rid: str, qty: int, limit: int = 100) -> ReplaceSent:
    return ReplaceSent(replace=rep(rid, qty, limit))


def vanilla() -> list[Case]:
    v = Venue()
    return [
        Case(
            "A.1.a-filled",
            [
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(trade(2_000), PART, 10_000, 2_000, 8_000),
                Row(trade(1_000), PART, 10_000, 3_000, 7_000),
                Row(trade(7_000), FILLED, 10_000, 10_000, 0),
            ],
        ),
        Case("A.1.a-rejected-by-broker", [Row(v.rejected(), REJECTED, 10_000, 0, 0)]),
        Case(
            "A.1.a-rejected-by-trader-after-new",
            [Row(v.ack(), NEW, 10_000, 0, 10_000), Row(v.rejected(), REJECTED, 10_000, 0, 0)],
        ),
        Case(
            "A.1.b-part-filled-day-order-done-for-day",
            [
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(trade(2_000), PART, 10_000, 2_000, 8_000),
                Row(v.done(2_000), EXPIRED, 10_000, 2_000, 0),
            ],
        ),
    ]


def cancels() -> list[Case]:
    v = Venue()
    other = Venue(broker_id=None)
    working = Row(v.ack(), NEW, 10_000, 0, 10_000)
    part = Row(trade(2_000), PART, 10_000, 2_000, 8_000)
    asked = Row(CancelSent(), NEW, 10_000, 0, 10_000, "c")
    return [
        Case(
            "B.1.a-zero-filled",
            [
                working,
                asked,
                Row(v.pending_cancel(), NEW, 10_000, 0, 10_000, "c"),
                Row(v.canceled(0), CANCELED, 10_000, 0, 0),
            ],
        ),
        Case(
            "B.1.a-rejected-by-broker",
            [working, asked, Row(v.cancel_rejected(NEW), NEW, 10_000, 0, 10_000)],
        ),
        Case(
            "B.1.a-rejected-by-exchange-after-pending",
            [
                working,
                asked,
                Row(v.pending_cancel(), NEW, 10_000, 0, 10_000, "c"),
                Row(v.cancel_rejected(NEW), NEW, 10_000, 0, 10_000),
            ],
        ),
        Case(
            "B.1.b-part-filled-executions-while-canceling",
            [
                working,
                part,
                Row(CancelSent(), PART, 10_000, 2_000, 8_000, "c"),
                Row(trade(3_000), PART, 10_000, 5_000, 5_000, "c"),
                Row(v.pending_cancel(), PART, 10_000, 5_000, 5_000, "c"),
                Row(trade(1_000), PART, 10_000, 6_000, 4_000, "c"),
                Row(v.canceled(6_000), CANCELED, 10_000, 6_000, 0),
            ],
        ),
        Case(
            "B.1.c-filled-before-the-cancel",
            [
                working,
                part,
                Row(CancelSent(), PART, 10_000, 2_000, 8_000, "c"),
                Row(trade(3_000), PART, 10_000, 5_000, 5_000, "c"),
                Row(v.pending_cancel(), PART, 10_000, 5_000, 5_000, "c"),
                Row(trade(5_000), FILLED, 10_000, 10_000, 0),
                Row(v.cancel_rejected(FILLED), FILLED, 10_000, 10_000, 0, "", (Code.CANCEL_REJECTED_FILLED,)),
            ],
        ),
        Case(
            "B.1.c-rejection-overtakes-the-fill",
            [
                working,
                asked,
                Row(v.cancel_rejected(FILLED), UNKNOWN, 10_000, 0, 10_000, "", (Code.MISSING_FILL,)),
                Row(trade(10_000), FILLED, 10_000, 10_000, 0),
            ],
        ),
        Case(
            "B.1.d-not-yet-acknowledged",
            [
                Row(CancelSent(), PENDING, 10_000, 0, 10_000, "c"),
                Row(v.pending_cancel(), PENDING, 10_000, 0, 10_000, "c"),
                Row(v.canceled(0), CANCELED, 10_000, 0, 0),
            ],
        ),
        Case(
            "B.1.d-cancel-rejected-then-acknowledged",
            [
                Row(CancelSent(), PENDING, 10_000, 0, 10_000, "c"),
                Row(v.cancel_rejected(PENDING), PENDING, 10_000, 0, 10_000),
                Row(v.ack(), NEW, 10_000, 0, 10_000),
            ],
        ),
        Case(
            "B.1.e-acknowledgement-and-cancel-cross",
            [
                Row(CancelSent(), PENDING, 10_000, 0, 10_000, "c"),
                Row(v.ack(), NEW, 10_000, 0, 10_000, "c"),
                Row(v.pending_cancel(), NEW, 10_000, 0, 10_000, "c"),
                Row(v.canceled(0), CANCELED, 10_000, 0, 0),
            ],
        ),
        Case(
            "B.1.e-acknowledgement-after-the-cancel",
            [
                Row(CancelSent(), PENDING, 10_000, 0, 10_000, "c"),
                Row(v.canceled(0), CANCELED, 10_000, 0, 0),
                Row(v.ack(), CANCELED, 10_000, 0, 0, "", (Code.LATE_ACK,)),
            ],
        ),
        Case(
            "B.1.f-cancel-of-an-order-unknown-to-the-venue",
            [
                working,
                asked,
                # FIX reports OrdStatus=Rejected where it does not know the order: ours must be asked about
                Row(
                    other.cancel_rejected(REJECTED), UNKNOWN, 10_000, 0, 10_000, "", (Code.VENUE_SAYS_CLOSED,)
                ),
            ],
        ),
    ]


def replaces() -> list[Case]:
    v = Venue()
    working = Row(v.ack(), NEW, 10_000, 0, 10_000)
    part = Row(trade(1_000), PART, 10_000, 1_000, 9_000)
    return [
        Case(
            "C.1.a-zero-filled-increase",
            [
                working,
                Row(ask("Y", 11_000), NEW, 10_000, 0, 10_000, "r"),
                Row(v.pending_replace("Y"), NEW, 10_000, 0, 10_000, "r"),
                Row(v.replaced("Y", 11_000, 0), NEW, 11_000, 0, 11_000),
                Row(trade(1_000), PART, 11_000, 1_000, 10_000),
                Row(trade(2_000), PART, 11_000, 3_000, 8_000),
            ],
        ),
        Case(
            "C.1.a-increase-rejected",
            [
                working,
                Row(ask("Y", 11_000), NEW, 10_000, 0, 10_000, "r"),
                Row(v.pending_replace("Y"), NEW, 10_000, 0, 10_000, "r"),
                Row(v.replace_rejected("Y", NEW), NEW, 10_000, 0, 10_000),
            ],
        ),
        Case(
            "C.1.b-part-filled-increase-execution-while-pending",
            [
                working,
                part,
                Row(ask("Y", 12_000), PART, 10_000, 1_000, 9_000, "r"),
                Row(trade(100), PART, 10_000, 1_100, 8_900, "r"),
                Row(v.pending_replace("Y"), PART, 10_000, 1_100, 8_900, "r"),
                Row(trade(10), PART, 10_000, 1_110, 8_890, "r"),
                Row(v.replaced("Y", 12_000, 1_110), PART, 12_000, 1_110, 10_890),
                Row(trade(10_890), FILLED, 12_000, 12_000, 0),
            ],
        ),
        Case(
            "C.1.c-filled-order-increased-reopens",
            [
                working,
                Row(trade(10_000), FILLED, 10_000, 10_000, 0),
                Row(ask("Y", 12_000), FILLED, 10_000, 10_000, 0, "r"),
                Row(v.pending_replace("Y"), FILLED, 10_000, 10_000, 0, "r"),
                Row(v.replaced("Y", 12_000, 10_000), PART, 12_000, 10_000, 2_000),
                Row(trade(2_000), FILLED, 12_000, 12_000, 0),
            ],
        ),
        Case(
            "C.1.c-increase-of-filled-order-rejected",
            [
                working,
                Row(trade(10_000), FILLED, 10_000, 10_000, 0),
                Row(ask("Y", 12_000), FILLED, 10_000, 10_000, 0, "r"),
                Row(
                    v.replace_rejected("Y", FILLED),
                    FILLED,
                    10_000,
                    10_000,
                    0,
                    "",
                    (Code.CANCEL_REJECTED_FILLED,),
                ),
            ],
        ),
        Case(
            "C.2.a-price-change-rejected-as-filled",
            [
                working,
                part,
                Row(ask("Y", 10_000, 101), PART, 10_000, 1_000, 9_000, "r"),
                Row(trade(9_000), FILLED, 10_000, 10_000, 0),
                Row(
                    v.replace_rejected("Y", FILLED),
                    FILLED,
                    10_000,
                    10_000,
                    0,
                    "",
                    (Code.CANCEL_REJECTED_FILLED,),
                ),
            ],
        ),
        Case(
            "C.3.a-decrease-above-filled",
            [
                working,
                Row(ask("Y", 8_000), NEW, 10_000, 0, 10_000, "r"),
                Row(trade(7_000), PART, 10_000, 7_000, 3_000, "r"),
                Row(v.replaced("Y", 8_000, 7_000), PART, 8_000, 7_000, 1_000),
                Row(trade(1_000), FILLED, 8_000, 8_000, 0),
            ],
        ),
        Case(
            "C.3.b-decrease-to-filled",
            [
                working,
                Row(ask("Y", 7_000), NEW, 10_000, 0, 10_000, "r"),
                Row(trade(7_000), PART, 10_000, 7_000, 3_000, "r"),
                Row(v.replaced("Y", 7_000, 7_000), FILLED, 7_000, 7_000, 0),
            ],
        ),
        Case(
            "C.3.c-decrease-below-filled-amended-to-it",
            [
                working,
                Row(ask("Y", 7_000), NEW, 10_000, 0, 10_000, "r"),
                Row(trade(8_000), PART, 10_000, 8_000, 2_000, "r"),
                Row(v.replaced("Y", 8_000, 8_000), FILLED, 8_000, 8_000, 0),
            ],
        ),
        Case(
            "C.3.c-venue-repeats-the-quantity-asked-for",
            [
                working,
                Row(ask("Y", 7_000), NEW, 10_000, 0, 10_000, "r"),
                Row(trade(8_000), PART, 10_000, 8_000, 2_000, "r"),
                Row(v.replaced("Y", 7_000, 8_000), FILLED, 8_000, 8_000, 0),
            ],
        ),
    ]


def sequences() -> list[Case]:
    v = Venue()
    working = Row(v.ack(), NEW, 10_000, 0, 10_000)
    part = Row(trade(1_000), PART, 10_000, 1_000, 9_000)
    asked_y = Row(ask("Y", 8_000), PART, 10_000, 1_000, 9_000, "r")
    chained = [
        working,
        part,
        asked_y,
        Row(ask("Z", 7_000), PART, 10_000, 1_000, 9_000, "rr"),
    ]
    return [
        Case(
            "D.1.a-one-accepted-then-another",
            [
                working,
                part,
                asked_y,
                Row(v.pending_replace("Y"), PART, 10_000, 1_000, 9_000, "r"),
                Row(trade(500), PART, 10_000, 1_500, 8_500, "r"),
                Row(v.replaced("Y", 8_000, 1_500), PART, 8_000, 1_500, 6_500),
                Row(trade(2_000), PART, 8_000, 3_500, 4_500),
                Row(ask("Z", 6_000), PART, 8_000, 3_500, 4_500, "r"),
                Row(v.pending_replace("Z"), PART, 8_000, 3_500, 4_500, "r"),
                Row(v.replaced("Z", 6_000, 3_500), PART, 6_000, 3_500, 2_500),
                Row(trade(2_500), FILLED, 6_000, 6_000, 0),
            ],
        ),
        Case(
            "D.1.b-one-rejected-before-pending-then-another",
            [
                working,
                part,
                asked_y,
                Row(v.replace_rejected("Y", PART), PART, 10_000, 1_000, 9_000),
                Row(trade(500), PART, 10_000, 1_500, 8_500),
                Row(ask("Z", 6_000), PART, 10_000, 1_500, 8_500, "r"),
                Row(v.replaced("Z", 6_000, 1_500), PART, 6_000, 1_500, 4_500),
            ],
        ),
        Case(
            "D.1.c-one-rejected-after-pending-then-another",
            [
                working,
                part,
                asked_y,
                Row(v.pending_replace("Y"), PART, 10_000, 1_000, 9_000, "r"),
                Row(v.replace_rejected("Y", PART), PART, 10_000, 1_000, 9_000),
                Row(ask("Z", 6_000), PART, 10_000, 1_000, 9_000, "r"),
                Row(v.replaced("Z", 6_000, 1_000), PART, 6_000, 1_000, 5_000),
            ],
        ),
        Case(
            "D.2.a-chain-processed-one-after-the-other",
            [
                *chained,
                Row(v.pending_replace("Y"), PART, 10_000, 1_000, 9_000, "rr"),
                Row(v.replaced("Y", 8_000, 1_000), PART, 8_000, 1_000, 7_000, "r"),
                Row(v.pending_replace("Z"), PART, 8_000, 1_000, 7_000, "r"),
                Row(v.replaced("Z", 7_000, 1_000), PART, 7_000, 1_000, 6_000),
                Row(trade(6_000), FILLED, 7_000, 7_000, 0),
            ],
        ),
        Case(
            "D.2.b-chain-pending-together",
            [
                *chained,
                Row(v.pending_replace("Y"), PART, 10_000, 1_000, 9_000, "rr"),
                Row(v.pending_replace("Z"), PART, 10_000, 1_000, 9_000, "rr"),
                Row(v.replaced("Y", 8_000, 1_000), PART, 8_000, 1_000, 7_000, "r"),
                Row(v.replaced("Z", 7_000, 1_000), PART, 7_000, 1_000, 6_000),
            ],
        ),
        Case(
            "D.2.c-chain-both-rejected",
            [
                *chained,
                Row(v.pending_replace("Y"), PART, 10_000, 1_000, 9_000, "rr"),
                Row(v.replace_rejected("Y", PART), PART, 10_000, 1_000, 9_000, "r"),
                Row(v.replace_rejected("Z", PART), PART, 10_000, 1_000, 9_000),
            ],
        ),
        Case(
            "D.2.d-second-rejected-as-the-first-is-pending",
            [
                *chained,
                Row(v.pending_replace("Y"), PART, 10_000, 1_000, 9_000, "rr"),
                Row(v.replace_rejected("Z"), PART, 10_000, 1_000, 9_000, "r"),
                Row(v.replaced("Y", 8_000, 1_000), PART, 8_000, 1_000, 7_000),
                Row(trade(2_000), PART, 8_000, 3_000, 5_000),
            ],
        ),
        Case(
            "D.2-answers-out-of-sequence",
            [
                *chained,
                Row(v.replaced("Z", 7_000, 1_000), PART, 7_000, 1_000, 6_000),
                Row(v.replaced("Y", 8_000, 1_000), PART, 7_000, 1_000, 6_000, "", (Code.OUT_OF_SEQUENCE,)),
            ],
        ),
    ]


def unsolicited() -> list[Case]:
    v = Venue()
    working = Row(v.ack(), NEW, 10_000, 0, 10_000)
    part = Row(trade(1_000), PART, 10_000, 1_000, 9_000)
    return [
        # E.1.a is an order given by telephone: it reaches the book as a foreign order
        Case(
            "E.1.b-unsolicited-cancel-of-part-filled",
            [
                working,
                part,
                Row(v.canceled(1_000), CANCELED, 10_000, 1_000, 0, "", (Code.UNSOLICITED_CANCEL,)),
            ],
        ),
        Case(
            "E.1.c-unsolicited-replacement",
            [
                working,
                part,
                Row(
                    v.replaced(None, 11_000, 1_000),
                    PART,
                    11_000,
                    1_000,
                    10_000,
                    "",
                    (Code.UNSOLICITED_REPLACE,),
                ),
                Row(trade(10_000), FILLED, 11_000, 11_000, 0),
            ],
        ),
        Case(
            "E.1.d-unsolicited-reduction-by-the-venue",
            [working, Row(v.restated(9_000), NEW, 9_000, 0, 9_000, "", (Code.UNSOLICITED_REPLACE,))],
        ),
        Case(
            "E.1.e-unsolicited-cancel-then-reinstated",
            [
                working,
                part,
                Row(v.canceled(1_000), CANCELED, 10_000, 1_000, 0, "", (Code.UNSOLICITED_CANCEL,)),
                Row(v.restated(10_000), PART, 10_000, 1_000, 9_000, "", (Code.REOPENED,)),
                Row(trade(9_000), FILLED, 10_000, 10_000, 0),
            ],
        ),
    ]


def rejects() -> list[Case]:
    v = Venue()
    nobody, second = Venue(broker_id=None), Venue(broker_id="b2")
    working = Row(v.ack(), NEW, 10_000, 0, 10_000)
    part = Row(trade(1_000), PART, 10_000, 1_000, 9_000)
    other = (Code.REJECT_OF_OTHER_ORDER,)
    return [
        Case(
            "F.1.a-duplicate-id-rejected-while-part-filled",
            [working, part, Row(nobody.rejected("duplicate"), PART, 10_000, 1_000, 9_000, "", other)],
        ),
        Case(
            "F.1.a-duplicate-id-rejected-under-another-broker-id",
            [working, Row(second.rejected("duplicate"), NEW, 10_000, 0, 10_000, "", other)],
        ),
        Case(
            "F.1.a-rejection-of-nobody-knows-which",
            [
                working,
                Row(nobody.rejected("duplicate"), UNKNOWN, 10_000, 0, 10_000, "", (Code.REJECT_AFTER_ACK,)),
                Row(v.report(NEW), NEW, 10_000, 0, 10_000),
            ],
        ),
        Case(
            "F.1.b-possible-resend-answered-with-the-state",
            [
                working,
                part,
                Row(v.report(PART, cum=1_000), PART, 10_000, 1_000, 9_000),
                Row(v.ack(), PART, 10_000, 1_000, 9_000, "", (Code.DUPLICATE,)),
            ],
        ),
        Case(
            "F.1.c-rejected-as-given-by-telephone-before",
            [Row(v.rejected("verbal duplicate"), REJECTED, 10_000, 0, 0)],
        ),
    ]


def status_requests() -> list[Case]:
    v = Venue()
    submit = Unanswered(what=Request.SUBMIT)
    return [
        Case(
            "G.1.a-status-request-for-an-unknown-order",
            [
                Row(submit, UNKNOWN, 10_000, 0, 10_000),
                Row(v.not_found(), UNKNOWN, 10_000, 0, 10_000, "", (Code.NOT_FOUND,)),
            ],
        ),
        Case(
            "G.1.b-nothing-done",
            [Row(v.ack(), NEW, 10_000, 0, 10_000), Row(v.report(NEW), NEW, 10_000, 0, 10_000)],
        ),
        Case(
            "G.1.c-status-requests-during-the-life",
            [
                Row(v.report(PENDING), PENDING, 10_000, 0, 10_000),
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(v.report(NEW), NEW, 10_000, 0, 10_000),
                Row(trade(5_000), PART, 10_000, 5_000, 5_000),
                Row(v.report(PART, cum=5_000), PART, 10_000, 5_000, 5_000),
                Row(trade(5_000), FILLED, 10_000, 10_000, 0),
                Row(v.report(FILLED, cum=10_000), FILLED, 10_000, 10_000, 0),
                Row(v.report(NEW, ts=1), FILLED, 10_000, 10_000, 0, "", (Code.STALE_REPORT,)),
            ],
        ),
        Case(
            "G.1.c-answer-after-a-lost-link",
            [
                Row(LinkLost(reason="reset"), UNKNOWN, 10_000, 0, 10_000),
                Row(v.report(PART, cum=3_000), NEW, 10_000, 0, 10_000, "", (Code.MISSING_FILL,)),
                Row(trade(3_000), PART, 10_000, 3_000, 7_000),
            ],
        ),
    ]


def good_till() -> list[Case]:
    v = Venue()
    day_one = [
        Row(v.ack(), NEW, 10_000, 0, 10_000),
        Row(trade(2_000), PART, 10_000, 2_000, 8_000),
        Row(v.done(2_000), PART, 10_000, 2_000, 8_000, "d"),
    ]
    renewed = Row(v.restated(10_000), PART, 10_000, 2_000, 8_000)
    gtc = TimeInForce.GTC
    return [
        Case(
            "H.1.a-gtc-renewed-and-part-filled-next-day",
            [*day_one, renewed, Row(trade(1_000), PART, 10_000, 3_000, 7_000)],
            gtc,
        ),
        Case(
            "H.1.a-gtc-without-the-optional-renewal",
            [*day_one, Row(trade(1_000), PART, 10_000, 3_000, 7_000)],
            gtc,
        ),
        Case(
            "H.1.b-gtc-restated-to-twice-the-quantity",
            [
                *day_one,
                Row(v.restated(20_000, 50), PART, 20_000, 2_000, 18_000, "", (Code.UNSOLICITED_REPLACE,)),
            ],
            gtc,
        ),
        Case(
            "H.1.c-gtc-renewed-and-canceled-next-day",
            [
                *day_one,
                renewed,
                Row(CancelSent(), PART, 10_000, 2_000, 8_000, "c"),
                Row(v.pending_cancel(), PART, 10_000, 2_000, 8_000, "c"),
                Row(v.canceled(2_000), CANCELED, 10_000, 2_000, 0),
            ],
            gtc,
        ),
        Case(
            "H.1.d-gtc-renewed-then-increased",
            [
                *day_one,
                renewed,
                Row(ask("Y", 15_000), PART, 10_000, 2_000, 8_000, "r"),
                Row(trade(1_000), PART, 10_000, 3_000, 7_000, "r"),
                Row(v.replaced("Y", 15_000, 3_000), PART, 15_000, 3_000, 12_000),
            ],
            gtc,
        ),
        Case(
            "H-gtd-expired-next-day",
            [*day_one, Row(v.expired(2_000), EXPIRED, 10_000, 2_000, 0)],
            TimeInForce.GTD,
        ),
    ]


def time_in_force() -> list[Case]:
    v = Venue()
    return [
        Case(
            "I.1.a-fok-cannot-be-filled",
            [Row(v.ack(), NEW, 10_000, 0, 10_000), Row(v.canceled(0), CANCELED, 10_000, 0, 0)],
            TimeInForce.FOK,
        ),
        Case(
            "I.1.b-ioc-not-hit-and-never-acknowledged",
            [Row(v.canceled(0), CANCELED, 10_000, 0, 0)],
            TimeInForce.IOC,
        ),
        Case(
            "I.1.b-ioc-partly-hit",
            [
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(trade(1_000), PART, 10_000, 1_000, 9_000),
                Row(v.canceled(1_000), CANCELED, 10_000, 1_000, 0),
            ],
            TimeInForce.IOC,
        ),
    ]


def corrections() -> list[Case]:
    v = Venue()
    return [
        Case(
            "J.1.a-filled-then-corrected-and-busted",
            [
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(trade(2_000), PART, 10_000, 2_000, 8_000),
                Row(trade(8_000), FILLED, 10_000, 10_000, 0),
                Row(
                    FillCorrected(old_qty=8_000, new_qty=5_000),
                    PART,
                    10_000,
                    7_000,
                    3_000,
                    "",
                    (Code.REOPENED,),
                ),
                Row(FillRemoved(qty=2_000), PART, 10_000, 5_000, 5_000),
                Row(FillRemoved(qty=5_000), NEW, 10_000, 0, 10_000),
            ],
        ),
        Case(
            "J.1.b-canceled-then-busted-and-filled-anew",
            [
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(trade(5_000), PART, 10_000, 5_000, 5_000),
                Row(CancelSent(), PART, 10_000, 5_000, 5_000, "c"),
                Row(v.canceled(5_000), CANCELED, 10_000, 5_000, 0),
                Row(FillRemoved(qty=5_000), CANCELED, 10_000, 0, 0),
                Row(trade(4_000), CANCELED, 10_000, 4_000, 0, "", (Code.FILL_AFTER_CANCEL,)),
            ],
        ),
        Case(
            "J.1.c-gtc-corrections-of-both-days",
            [
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(trade(2_000), PART, 10_000, 2_000, 8_000),
                Row(v.done(), PART, 10_000, 2_000, 8_000, "d"),
                Row(v.restated(10_000), PART, 10_000, 2_000, 8_000),
                Row(trade(1_000), PART, 10_000, 3_000, 7_000),
                Row(FillCorrected(old_qty=2_000, new_qty=1_500), PART, 10_000, 2_500, 7_500),
                Row(FillCorrected(old_qty=1_000, new_qty=500), PART, 10_000, 2_000, 8_000),
            ],
            TimeInForce.GTC,
        ),
        Case(
            "J.1.d-done-for-day-then-corrected-and-busted",
            [
                Row(v.ack(), NEW, 10_000, 0, 10_000),
                Row(trade(5_000), PART, 10_000, 5_000, 5_000),
                Row(v.done(5_000), EXPIRED, 10_000, 5_000, 0),
                Row(FillCorrected(old_qty=5_000, new_qty=4_000), EXPIRED, 10_000, 4_000, 0),
                Row(FillRemoved(qty=4_000), EXPIRED, 10_000, 0, 0),
            ],
        ),
    ]


def halts() -> list[Case]:
    v = Venue()
    held = [Row(v.ack(), NEW, 10_000, 0, 10_000), Row(v.suspended(), NEW, 10_000, 0, 10_000, "s")]
    return [
        Case(
            "K.1.a-halt-then-reinstated",
            [*held, Row(v.released(), NEW, 10_000, 0, 10_000), Row(trade(10_000), FILLED, 10_000, 10_000, 0)],
        ),
        Case(
            "K.1.b-halt-then-canceled",
            [*held, Row(v.canceled(0), CANCELED, 10_000, 0, 0, "", (Code.UNSOLICITED_CANCEL,))],
        ),
        Case(
            "K-execution-crosses-the-halt",
            [*held, Row(trade(1_000), PART, 10_000, 1_000, 9_000, "s", (Code.FILL_WHILE_SUSPENDED,))],
        ),
    ]


CASES = [
    *vanilla(),
    *cancels(),
    *replaces(),
    *sequences(),
    *unsolicited(),
    *rejects(),
    *status_requests(),
    *good_till(),
    *time_in_force(),
    *corrections(),
    *halts(),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.ref)
def test_matrix(case: Case) -> None:
    life = born(order(tif=case.tif))
    for number, row in enumerate(case.rows, 1):
        life, anomalies = transition(life, row.event)
        pending = "c" * life.pending_cancel + "r" * len(life.replaces)
        pending += "s" * life.suspended + "d" * life.done_for_day
        got = (life.status, life.qty, life.cum, life.leaves, pending, tuple(a.code for a in anomalies))
        assert got == row[1:], f"{case.ref} row {number}: {row.event}"


def test_the_table_names_every_group() -> None:
    assert {c.ref[0] for c in CASES} == set("ABCDEFGHIJK")
    assert len({c.ref for c in CASES}) == len(CASES)
