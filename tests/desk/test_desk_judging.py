"""A ticket's verdict stays true while it is open: asked again, taken back with its reason, never shown as new
when it is old; and the market that stands over the fields.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from deskpilot import Desk, drive, painted, press, text_of
from entrykit import PASS, Gate, checked, confirm, to_ticket
from fakeanswers import market
from fakelink import change, position

from app.desk.app import DeskApp
from app.desk.entry.fields import stepped
from app.desk.entry.form import Form
from app.desk.entry.judging import AGAIN, GIVE_UP
from app.desk.entry.ticket import Ticket
from app.desk.view.preview import meaning
from engine.control.commands import Answer, Modify, Submit

D = Decimal
PAUSED = Answer(ok=False, text="spread: the spread was too wide; paused for another 29.4 s")


async def later(app: DeskApp, pilot: Desk, seconds: float) -> None:
    """So much later, with a frame."""
    moment = app.now() + seconds
    app.now = app._now = lambda: moment  # type: ignore[method-assign]
    await painted(pilot)


async def asked_to_confirm(app: DeskApp, pilot: Desk) -> None:
    """A ticket on an armed desk, and Enter once."""
    await press(pilot, "ctrl+o")
    await to_ticket(pilot)
    await press(pilot, "enter")
    assert "Enter again does it" in text_of(app)


def test_a_verdict_is_renewed_each_second_with_one_question_under_way() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.verdict = PAUSED
        await to_ticket(pilot)
        assert "another 29.4 s" in text_of(app) and len(link.previewed) == 1
        link.verdict = Answer(ok=False, text="spread: the spread was too wide; paused for another 28.4 s")
        await later(app, pilot, AGAIN / 2)
        assert len(link.previewed) == 1
        await later(app, pilot, AGAIN / 2)
        assert len(link.previewed) == 2 and "another 28.4 s" in text_of(app)
        link.silent = True
        for _ in range(2):
            await later(app, pilot, AGAIN)
        assert len(link.previewed) == 3, "a second one, while the first is not answered"
        link.silent = False
        link.verdict = Answer(ok=True, text="", data=PASS)
        link.waiting[0](link.verdict)
        await painted(pilot)
        assert "paused for another" not in text_of(app) and "✓ the gate would let it pass" in text_of(app)

    drive(test, link=Gate())


def test_a_verdict_that_is_not_renewed_is_said_to_be_old_and_confirms_nothing() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await asked_to_confirm(app, pilot)
        link.silent = True
        await later(app, pilot, AGAIN)
        assert "Enter again does it" in text_of(app)
        await later(app, pilot, GIVE_UP)
        assert "no answer for 3 s: what stands here is old" in text_of(app)
        assert "Taken back: the engine has not answered for 3 s" in text_of(app)
        assert "Enter again does it" not in text_of(app)
        asked = len(link.previewed)
        await later(app, pilot, AGAIN)
        assert len(link.previewed) == asked
        link.waiting[-1](link.verdict)
        await painted(pilot)
        assert "what stands here is old" not in text_of(app)
        assert link.sent == []

    drive(test, link=Gate())


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (PAUSED, "Taken back: it would be refused now"),
        (
            Answer(ok=True, text="", data={**PASS, "worst_then": "0 … +8"}),
            "Taken back: the worst case has grown, +6 → +8",
        ),
        (
            Answer(ok=True, text="", data={**PASS, "limit": "7"}),
            "Taken back: the position limit has changed, 10 → 7",
        ),
    ],
)
def test_a_confirmation_falls_with_the_verdict_that_it_was_about(verdict: Answer, why: str) -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await asked_to_confirm(app, pilot)
        link.verdict = verdict
        await later(app, pilot, AGAIN)
        assert why in text_of(app) and "Enter again does it" not in text_of(app)
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        assert link.sent == [], "the first Enter after it only asks"

    drive(test, link=Gate())


def test_what_moves_while_others_trade_takes_nothing_back() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await asked_to_confirm(app, pilot)
        better = {"position": "-1", "worst_then": "-3 … +5"}  # the order buys
        link.verdict = Answer(ok=True, text="", data={**PASS, **better, "margin_then": "39601.00"})
        await later(app, pilot, AGAIN)
        assert "39,601.00" in text_of(app)
        await confirm(pilot)
        assert len(link.sent) == 1

    drive(test, link=Gate())


def test_the_second_enter_is_judged_as_well_before_it_sends() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await asked_to_confirm(app, pilot)
        link.verdict = PAUSED
        await confirm(pilot)
        assert link.sent == [] and "Taken back: it would be refused now" in text_of(app)
        link.verdict = Answer(ok=True, text="", data=PASS)
        await press(pilot, "enter")
        link.silent = True
        await confirm(pilot)
        assert link.sent == [], "not before the engine has answered"
        link.waiting[-1](link.verdict)
        await painted(pilot)
        assert len(link.sent) == 1

    drive(test, link=Gate())


def test_what_becomes_of_an_order_while_it_is_changed_takes_the_confirmation_back() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f3", "down", "m", "up")
        await checked(pilot)
        await painted(pilot)
        before = link.snapshot.orders
        mine = next(row for row in before if row.id in str(app.screen._title_text))  # type: ignore[attr-defined]
        await press(pilot, "enter")
        assert "Enter again does it" in text_of(app)
        filled = change(mine, filled=mine.filled + 1, leaves=mine.leaves - 1, status="PARTIAL_FILL")
        orders = tuple(filled if row is mine else row for row in before)
        link.snapshot = change(link.snapshot, seq=7, orders=orders)
        await painted(pilot)
        assert "Taken back: the order itself has changed" in text_of(app)
        assert f"{filled.filled} of {mine.qty} filled" in text_of(app)
        await press(pilot, "escape")
        assert link.sent == []

    drive(test, link=Gate())


def test_a_ticket_leaves_mode_and_kill_key_in_sight_and_does_not_jump_with_its_verdict() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        refusals = "\n".join(f"control{n}: no" for n in range(4))
        link.verdict = Answer(ok=False, text=refusals, data={"refusals": refusals})
        await press(pilot, "ctrl+o", "colon", *"buy 2 ESM3 trigger 4190 @ 4191 gtd 14:30", "enter")
        await checked(pilot)
        await painted(pilot)
        lines = text_of(app).split("\n")
        assert lines[0].startswith(" PAPER  ARMED") and lines[-1].startswith(" F12 KILL")
        assert "control3" in text_of(app)
        height = app.screen.query_one(".box").region
        link.verdict = Answer(ok=True, text="", data={})
        await later(app, pilot, AGAIN)
        assert "the gate would let it pass" in text_of(app)
        assert app.screen.query_one(".box").region == height

    drive(test, link=Gate(), size=(80, 24))


# -- the market over the fields


def test_the_ticket_shows_the_market_and_how_old_it_is() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "colon", *"buy 1 ESM3 @ 4185", "enter")
        await checked(pilot)
        assert "ESM3  bid 4185.25  ask 4185.50  last 4185.25  0.3s ago" in text_of(app)
        moved = position("ESM3", 3, bid=D("4186.25"), ask=D("4186.50"), last=None, data_age=0.0)
        link.snapshot = change(link.snapshot, seq=2, positions=(moved,))
        await painted(pilot)
        assert "bid 4186.25  ask 4186.50  last -  0.1s ago" in text_of(app)
        old = change(moved, data_state="stale", data_age=14.0)
        link.snapshot = change(link.snapshot, seq=3, positions=(old,))
        await painted(pilot)
        assert "ask 4186.50  last -   STALE 14s " in text_of(app)
        link.stale = 2.5
        await painted(pilot)
        assert "ask 4186.50  last -   STALE 2.5s " in text_of(app)
        link.stale = 0.1
        link.snapshot = change(link.snapshot, seq=4, positions=())
        await painted(pilot)
        assert "no prices of ESM3" in text_of(app)

    drive(test, link=Gate(), size=(80, 24))


async def ticket(app: DeskApp, pilot: Desk, *keys: str) -> dict[str, str]:
    """What a ticket begins with that these keys open."""
    await press(pilot, *keys)
    await painted(pilot)
    form = app.screen
    assert isinstance(form, Ticket)
    found = {name: field.value for name, field in form.fields.items()}
    await press(pilot, "escape")
    return found


def test_a_ticket_takes_the_symbol_of_the_selected_row_and_guesses_no_side() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        def selected() -> str:
            row = app.desk.last_pane.selected  # type: ignore[union-attr]
            assert row is not None
            return row.symbol

        for keys in (("f3", "down"), ("f2", "tab", "down"), ("f2", "tab", "tab", "down"), ("f4", "down")):
            await press(pilot, *keys)
            symbol = selected()
            begun = await ticket(app, pilot, "f9")
            assert (begun["symbol"], begun["side"], begun["price"]) == (symbol, "", "")
        await press(pilot, "7")
        await painted(pilot)
        assert (await ticket(app, pilot, "f9"))["symbol"] == app.desk.sheet.symbol  # type: ignore[attr-defined]

    drive(test, link=Gate())


def test_an_order_that_has_left_the_table_still_names_the_symbol() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "f3", "down", "down")
        row = app.desk.last_pane.selected  # type: ignore[union-attr]
        assert row is not None
        left = tuple(order for order in link.snapshot.orders if order.id != row.key)
        link.snapshot = change(link.snapshot, seq=2, orders=left)
        await painted(pilot)
        assert app.desk.last_pane.selected is None  # type: ignore[union-attr]
        assert (await ticket(app, pilot, "f9"))["symbol"] == row.symbol

    drive(test, link=Gate())


def test_the_price_is_that_of_our_side_until_one_is_entered() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.snapshot = change(link.snapshot, seq=2, positions=(position("ESM3", 0), position("NQM3", 0)))
        await painted(pilot)
        await press(pilot, "f4", "down", "up", "f9", "b")
        form = app.screen
        assert isinstance(form, Ticket) and form.symbol == "ESM3"
        price = form.fields["price"]
        assert price.value == "4185.25"
        await press(pilot, "s")
        assert price.value == "4185.50", "to sell, at the ask"
        moved = position("ESM3", 0, bid=D("4190.00"), ask=D("4190.25"))
        link.snapshot = change(link.snapshot, seq=3, positions=(moved, position("NQM3", 0)))
        await painted(pilot)
        assert price.value == "4185.50", "it stands still while it is looked at"
        await press(pilot, *["tab"] * 3, "up")
        assert price.value == "4185.75", "one tick"
        await press(pilot, "down", "down")
        assert price.value == "4185.25"
        await press(pilot, *["shift+tab"] * 3, "b")
        assert price.value == "4185.25", "entered, it stays"

    drive(test, link=Gate())


def test_a_ticket_begins_with_one_lot_and_steps_by_lots() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        coins = position("BTCUSDT", 0, bid=D("28641.5"), ask=D("28642.0"))
        link.snapshot = change(link.snapshot, seq=2, positions=(position("ESM3", 0), coins))
        link.replies["market"] = lambda q: market(q, lot=D("0.001") if q.symbol == "BTCUSDT" else D(1))
        await painted(pilot)
        await press(pilot, "f4", "end", "f9")
        await painted(pilot)
        form = app.screen
        assert isinstance(form, Ticket) and form.symbol in ("BTCUSDT", "ESM3")
        size, symbol = form.fields["size"], form.fields["symbol"]
        await press(pilot, "shift+tab", *["backspace"] * 8, *"btcusdt")
        await painted(pilot)
        assert size.value == "0.001" and symbol.value == "btcusdt"
        await press(pilot, "tab", "b", "tab", "up", "up", "down")
        assert size.value == "0.002"
        await press(pilot, "shift+tab", "shift+tab", *["backspace"] * 8, *"esm3")
        await painted(pilot)
        assert size.value == "0.002", "entered, it stays"
        await press(pilot, "escape")
        assert app.size_of("BTCUSDT") == D("0.001") and app.size_of("ESM3") == 1

    drive(test, link=Gate())


def test_steps_of_an_empty_trigger_begin_at_the_market_and_an_empty_target_is_passed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "colon", *"buy 1 ESM3 @ 4185", "enter")
        await checked(pilot)
        form = app.screen
        assert isinstance(form, Ticket)
        await press(pilot, "tab", "s", "tab")
        assert "↑ the market's" in text_of(app)
        await press(pilot, "up", "up")
        assert form.fields["trigger"].value == "4185.50"
        await press(pilot, "tab", "down", "down")
        assert form.fields["stop"].value == form.fields["target"].value == ""
        assert "▸ In force" in text_of(app)

    drive(test, link=Gate())


def test_a_limit_that_would_trade_at_once_is_said_to() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "colon", *"buy 1 ESM3 @ 4185.25", "enter")
        await checked(pilot)
        assert "trades at once" not in text_of(app)
        moved = position("ESM3", 3, bid=D("4185.00"), ask=D("4185.25"))
        link.snapshot = change(link.snapshot, seq=2, positions=(moved,))
        await painted(pilot)
        assert "4185.25  not below the ask: trades at once" in text_of(app)
        await press(pilot, "shift+tab", "s")
        assert "trades at once" not in text_of(app)
        await press(pilot, "tab", "tab", "tab", "down")
        assert "not above the bid: trades at once" in text_of(app)
        await press(pilot, "shift+tab", "s", "s")  # a stop-limit waits for its trigger
        assert "trades at once" not in text_of(app)

    drive(test, link=Gate())


def test_another_symbol_does_not_keep_the_price_of_the_one_before() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        form = app.screen
        assert isinstance(form, Ticket) and form.fields["price"].value
        await press(pilot, "shift+tab", "shift+tab", "backspace")
        assert form.fields["price"].value == ""

    drive(test, link=Gate())


# -- what an order would mean


@pytest.mark.parametrize(
    ("now", "working", "then", "says"),
    [
        ("0", "0 … +2", "0 … +4", ["now 0 · with all working orders +2", "after this order +4 of 50"]),
        ("+2", "+2 … +2", "+2 … +4", ["now +2 · no working orders", "after this order +4 of 50"]),
        ("+2", "0 … +2", "-1 … +2", ["now +2 · with all working orders 0", "after this order −1 of 50"]),
        (
            "+12",
            "-30 … +40",
            "-30 … +60",
            ["now +12 · with all working orders −30 to +40", "after this order −30 to +60 of 50"],
        ),
    ],
)
def test_what_the_position_would_be_is_said_in_words(
    now: str, working: str, then: str, says: list[str]
) -> None:
    data = {"position": now, "worst_now": working, "worst_then": then, "limit": "50"}
    found = ["".join(cell.text for cell in line) for line in meaning(data)]
    assert [line[:10] for line in found] == ["Position  ", " " * 10]
    assert [line[10:] for line in found] == says
    assert all(len(line) <= 70 for line in found)


# -- the bottom line


def test_an_old_message_does_not_stand_under_a_new_dialog() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        for keys in (("f9",), ("f8",), ("X",), ("ctrl+q",)):
            await press(pilot, "f4", "down", "colon", *"buy es", "enter")
            assert "is no size" in text_of(app)
            await press(pilot, *keys)
            assert "is no size" not in text_of(app)
            await press(pilot, "escape")

    drive(test, link=Gate())


# -- what a change is


def test_a_change_shows_what_was_and_what_will_be() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f3", "down", "m")
        await painted(pilot)
        form = app.screen
        assert isinstance(form, Form)
        was = form.fields["limit"].value
        await press(pilot, "up")
        await checked(pilot)
        assert f"Change    price {was} → {form.fields['limit'].value}" in text_of(app)
        await press(pilot, "enter")
        await confirm(pilot)
        (sent,) = link.sent
        assert isinstance(sent, Modify) and not isinstance(sent, Submit)
        assert sent.limit == stepped(D(was), D("0.25"), 1)

    drive(test, link=Gate())
