"""Matrices of what comes unasked, is refused, lasts, is corrected or halted (FIX 4.4, appendix D, E to K)."""

from __future__ import annotations

from fix_kit import CANCELED, EXPIRED, FILLED, NEW, PART, PENDING, REJECTED, UNKNOWN, Case, Row, ask, trade
from orders_kit import Venue

from engine.lifecycle import CancelSent, Code, FillCorrected, FillRemoved, LinkLost, Request, Unanswered
from engine.model import TimeInForce


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
