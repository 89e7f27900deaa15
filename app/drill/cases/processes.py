"""Breaking things with real processes: kill -9, a stalled machine, a full disk, a broker that starts anew."""

from __future__ import annotations

import signal
import time

from app.drill import tmpdisk
from app.drill.case import Collection
from app.drill.live import LiveDrill, order_of
from app.drill.notes import Broken, words
from app.drill.processes import NeverSeen, wait_for
from engine.control.client import ControlClient
from engine.control.commands import Cancel, Kill, Modify, Reset
from engine.control.snapshot import Snapshot
from engine.journal.files import written
from engine.model import MarketState, Side
from engine.records import OrderStored, Sent, decode
from engine.records_sentinel import OrderImported

BUY, SELL = Side.BUY, Side.SELL

cases = Collection()


def status(picture: Snapshot, order_id: str) -> str:
    """Where an order stands."""
    row = order_of(picture, order_id)
    return "" if row is None else row.status


def sent_once(d: LiveDrill) -> None:
    """In the journal every order was stored before it was sent, and sent once."""
    stored: set[str] = set()
    sent: dict[str, int] = {}
    early = []
    for row in d.rows():
        match decode(row.kind, row.body):
            case OrderStored(order=order) | OrderImported(order=order):
                stored.add(order.id)
            case Sent(order_id=order_id, what="submit"):
                sent[order_id] = sent.get(order_id, 0) + 1
                if order_id not in stored:
                    early.append(order_id)
            case _:
                pass
    twice = [i for i, n in sent.items() if n > 1]
    saw = f"{len(sent)} sent; before they were on disk: {words(early)}; twice: {words(twice)}"
    d.check("every order was on disk before it was sent, and sent once", not early and not twice, saw)


def nothing_unknown(d: LiveDrill) -> None:
    """The exchange has no order that the journal does not know."""
    ours = OrderStored | OrderImported
    stored = {r.order.id for row in d.rows() if isinstance(r := decode(row.kind, row.body), ours)}
    audit = d.exchange.audit()
    unknown = [o.order_id for o in audit.orders if o.order_id not in stored]
    twice = [o.order_id for o in audit.orders if o.copies != 1]
    saw = f"{len(audit.orders)} orders there; unknown: {words(unknown)}; arrived twice: {words(twice)}"
    d.check("the exchange has no order that the journal does not know", not unknown and not twice, saw)


def reset() -> Reset:
    """A person takes the halt back."""
    return Reset(scope="halt")


def flat_at_end(d: LiveDrill) -> None:
    """Kill and flatten by command: proof, also from the exchange where it is the drill's."""
    answer = d.kill_switch()
    d.check("it ends flat, confirmed twice", answer.text.startswith("flat, confirmed"), answer.text)
    if d.venue is not None:
        held = {
            s: q for s, q in d.exchange.audit().positions.get(d.context.settings.account, {}).items() if q
        }
        d.check("the exchange's own books are flat", not held, held or "nothing held")


@cases.live(
    "2.30",
    "Placed, changed and cancelled over the wire",
    "The plain life of an order through every real part: socket, journal, disk.",
    own_exchange=False,
)
def plain(d: LiveDrill) -> None:
    d.start()
    d.trading()
    order_id = d.rested(BUY, 2)
    lower = d.away(BUY, 45)
    answer = d.engine.command(Modify(order_id=order_id, limit=lower))
    d.did(f"change its price to {lower}: {answer.text}")
    # By the policy cancel_then_new it is another order that stands there.
    order_id = d.see(
        "an order at the new price",
        lambda p: next(
            (o.id for o in p.orders if o.status == "WORKING" and o.limit == lower and not o.overlay), None
        ),
    )
    d.until(
        "one order stands, at the new price",
        lambda p: [o.id for o in p.orders if o.leaves] == [order_id],
        order_id,
        saw=lambda p: ", ".join(f"{o.id} {o.status} at {o.limit}" for o in p.orders if o.leaves),
    )
    answer = d.engine.command(Cancel(order_id=order_id))
    d.did(f"cancel it: {answer.text}")
    d.until("it is cancelled", lambda p: status(p, order_id) == "CANCELED", order_id)
    filled = d.opened(BUY, 1)
    d.until("a position of 1", lambda p: d.position(p) == 1, filled, saw=d.position)
    d.opened(SELL, 1)
    d.until("and flat again", lambda p: d.position(p) == 0, saw=d.position)
    d.engine.stop()
    sent_once(d)


@cases.live(
    "3.10",
    "kill -9 with a position and an order open",
    "After the restart position and order are there again, nothing is sent twice, and nothing is guessed.",
    own_exchange=False,
)
def killed(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.opened(BUY, 2)
    order_id = d.rested(BUY, 1)
    before = d.position()
    d.did("kill -9")
    begin = time.monotonic()
    begin_at = d.notes.at()
    d.engine.kill()
    d.start()
    d.trading()
    d.notes.band(begin_at, "engine dead")
    d.notes.figure("from kill -9 to trading again", f"{time.monotonic() - begin:.2f} s")
    d.until("the position is what it was", lambda p: d.position(p) == before, saw=d.position)
    d.until("the order works", lambda p: status(p, order_id) == "WORKING", order_id)
    flat_at_end(d)
    d.engine.command(reset())
    d.engine.stop()
    sent_once(d)


@cases.live(
    "3.11",
    "kill -9, and an order fills while the engine is dead",
    "Six orders filled once while a bot was down; a short position nobody knew of stayed open.",
)
def filled_meanwhile(d: LiveDrill) -> None:
    d.start()
    d.trading()
    account = d.context.settings.account

    def held() -> int:
        return d.exchange.audit().positions.get(account, {}).get("ES", 0)

    for _ in range(10):  # the market may come to one of them before the engine is dead
        below, above = d.rested(BUY, 2, 2, near=True), d.rested(SELL, 2, 2, near=True)
        before = held()
        works = {o.order_id for o in d.exchange.audit().orders if o.status == "WORKING"}
        if {below, above} <= works:
            break
    d.did("kill -9")
    begin = d.notes.at()
    d.engine.kill()
    try:
        wait_for(lambda: held() != before, "one of the orders fills at the exchange", every=0.2, patience=40)
    except NeverSeen as error:
        raise Broken(str(error)) from error
    d.did("the market came to one of the orders, and it filled; start again")
    d.start()
    d.trading()
    d.notes.band(begin, "engine dead")
    d.until(
        "the fill is found, and the position is the exchange's",
        lambda p: d.position(p) == held() and "FILLED" in (status(p, below), status(p, above)),
        below,
        above,
        saw=lambda p: (
            f"ours {d.position(p):+f}, the exchange's {held():+d}; {status(p, below)}, {status(p, above)}"
        ),
    )
    nothing_unknown(d)
    flat_at_end(d)
    d.engine.stop()


@cases.live(
    "3.12",
    "kill -9 in the middle of a flatten",
    "A kill that was begun is finished by whoever starts next; the halt holds through it.",
)
def killed_in_kill(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.opened(BUY, 3)
    d.exchange.drill("state", symbol="ES", state=MarketState.HALTED)
    d.did("the market is halted, so that the flatten has to wait; kill switch, then kill -9")
    with ControlClient(d.engine.state, tty="") as client:
        client.start(Kill(reason="drill"))
        d.see("the kill has begun", lambda p: p.kill is not None and p.kill.running)
    d.engine.kill()
    d.start()
    d.until("the next engine goes on with it", lambda p: p.kill is not None and p.kill.running)
    d.until("and is halted", lambda p: p.halted, saw=lambda p: p.halt_reason)
    d.did("the market opens")
    d.exchange.drill("state", symbol="ES", state=MarketState.OPEN)
    d.until(
        "it ends flat, confirmed twice",
        lambda p: p.kill is not None and p.kill.verdict.startswith("flat, confirmed"),
        within=40,
        saw=lambda p: p.kill.verdict if p.kill is not None else "no kill",
    )
    code, _, _ = d.engine.stop()
    d.check("it stays halted, and its exit code says so", code == 3, f"exit code {code}")


@cases.live(
    "3.13",
    "The machine stalls for three seconds",
    "A stalled engine catches up without resending, and the kill switch works at once.",
    own_exchange=False,
)
def stalled(d: LiveDrill) -> None:
    d.start()
    d.trading()
    d.opened(BUY, 1)
    order_id = d.rested(BUY, 1)
    with d.trouble("engine stopped (SIGSTOP)"):
        d.engine.send(signal.SIGSTOP)
        d.did("the engine's process is stopped (SIGSTOP)")
        time.sleep(3)  # the stall itself
        d.engine.send(signal.SIGCONT)
    d.did("it goes on (SIGCONT)")
    d.until("it trades", lambda p: p.trading)
    d.until("the order still works", lambda p: status(p, order_id) == "WORKING", order_id)
    flat_at_end(d)
    d.engine.command(reset())
    d.engine.stop()
    sent_once(d)


@cases.live(
    "3.14",
    "The wall clock of a running engine is stepped, back and forth",
    "It is told, and nothing else happens: no time-out, no order twice, no time running backwards.",
    own_exchange=False,
)
def clock(d: LiveDrill) -> None:
    file = d.folder / "clock"
    file.write_text("0")
    d.start(wrapper=("-m", "app.drill.steppedclock", str(file)))
    d.trading()
    order_id = d.rested(BUY, 1)
    for seconds in (-3600, 3600):
        before = d.see("a picture", lambda p: p)
        file.write_text(str(seconds * 10**9))
        d.did(f"the wall clock stands {seconds:+d} s off from now on")
        seen = before.alerts[0].id if before.alerts else 0
        d.until("a person is told", lambda p, s=seen: any(a.code == "clock" and a.id > s for a in p.alerts))
        after = d.see("a picture", lambda p: p)
        moved = (after.ts - before.ts) / 1e9
        d.check("engine time goes on evenly", 0 <= moved < 60, f"{moved:.2f} s passed")
    d.until("the order still works", lambda p: status(p, order_id) == "WORKING", order_id)
    answer = d.engine.command(Cancel(order_id=order_id))
    d.did(f"cancel it: {answer.text}")
    d.until("it is cancelled", lambda p: status(p, order_id) == "CANCELED", order_id)
    d.engine.stop()
    sent_once(d)


@cases.live(
    "3.15",
    "The disk is full",
    "Nothing new is opened that cannot be written; cancels and the way out still go.",
    config={"journal": {"min_free_mb": 1, "ballast_mb": 2}},
)
def full_disk(d: LiveDrill) -> None:
    small = tmpdisk.available()
    if small:
        d.state.mkdir(mode=0o700)
        d.prefix = tmpdisk.prefix(d.state, 24)
        d.did("the engine gets a disk of its own of 24 MB")
    d.start()
    d.trading()
    d.opened(BUY, 2)
    order_id = d.rested(BUY, 1)
    begin = d.notes.at()
    if small:
        filler = tmpdisk.fill(d.engine.state)
        d.did("the disk is filled to the last byte")
    else:
        # Its log has room set aside; what is written in it so far is all it gets.
        d.engine.limit_files(written(d.state / "journal.db-wal"))
        d.did("no file may grow any more (this kernel lets users have no disks of their own)")
    refused = ""
    for n in range(400):
        answer = d.submit(BUY, 1, d.away(BUY, 60 + n))
        if not answer.ok:
            refused = answer.text
            break
    d.check("an opening order is not sent", bool(refused), refused or "400 orders were sent")
    d.until(
        "a person is told",
        lambda p: any(a.code == "store" for a in p.alerts),
        saw=lambda p: p.health.journal_text,
    )
    answer = d.engine.command(Cancel(order_id=order_id))
    d.did(f"cancel the resting order: {answer.text}")
    d.until("it is cancelled", lambda p: status(p, order_id) == "CANCELED", order_id)
    flat_at_end(d)
    d.notes.band(begin, "disk full")
    if small:
        filler.unlink()
    else:
        d.engine.limit_files(None)
    d.did("there is space again")
    d.until(
        "the journal works again by itself",
        lambda p: p.health.journal == "ok",
        within=30,
        saw=lambda p: p.health.journal_text,
    )
    if small:
        d.kept = d.rows()
    d.engine.stop()


@cases.live(
    "3.18",
    "A second engine on the same account's state",
    "Two engines on one journal are two traders with one memory: the second is refused.",
    own_exchange=False,
)
def second(d: LiveDrill) -> None:
    d.start()
    d.trading()
    order_id = d.rested(BUY, 1)
    d.did("start a second engine on the same state directory")
    with d.trouble("a second engine is started"):
        other = d.engine.spawn()
        out, errors = other.communicate(timeout=30)
    d.check(
        "it is refused with exit code 6",
        other.returncode == 6,
        f"exit code {other.returncode}: {errors.strip() or out}",
    )
    d.until(
        "the first one goes on, and its order works",
        lambda p: p.trading and status(p, order_id) == "WORKING",
        order_id,
        saw=lambda p: f"{'trading' if p.trading else 'not trading'}, {status(p, order_id)}",
    )
    d.did("cancel the order, and stop the first one")
    d.engine.command(Cancel(order_id=order_id))
    d.until("the order is gone", lambda p: status(p, order_id) == "CANCELED", order_id)
    d.engine.stop()
