"""Matrices of orders that are filled, cancelled and replaced (FIX 4.4, volume 4, appendix D, A to D)."""

from __future__ import annotations

from fix_kit import CANCELED, EXPIRED, FILLED, NEW, PART, PENDING, REJECTED, UNKNOWN, Case, Row, ask, trade
from orders_kit import Venue

from engine.lifecycle import CancelSent, Code


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
    earlier = v.replaced("Y", 8_000, 1_000)
    """What the venue did before it took the next one, which is told of first."""
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
                Row(earlier, PART, 7_000, 1_000, 6_000, "", (Code.OUT_OF_SEQUENCE,)),
            ],
        ),
    ]
