"""The engine's side of the sentinel, in virtual time: heartbeats, a sentinel or a lease that is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from engine.control.commands import Kill
from engine.facts import Canceled
from engine.journal import Row
from engine.model import NS, OrderStatus, Side
from engine.records import KINDS, AnyRecord, FactTaken, Intended, KillEnded, Sent
from engine.records_sentinel import SentinelNote
from engine.sentinel.keeper import Keeper
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
from engine.sentinel.machine import Phase
from engine.sentinel.messages import FORMAT, Beat, Goodbye, HandBack, Said, ToSentinel
from engine.sentinel.takeover import Regained, take_over
from tests.engine.rig import Rig


class FakePost:
    """A sentinel that answers as long as it is told to, and a real lease."""

    def __init__(self, path: Path) -> None:
        self.store = LeaseFile(path)
        self.hold = Leasehold(self.store, Holder.ENGINE)
        self.policy, self.after, self.problem, self.build = "flatten", 2.0, "", "1+a"
        self.runs = (FORMAT, "1+a")
        """Format and build of the process that answers."""
        self.ended, self.forced = 0, False
        self.pid = 7
        self.heard: list[ToSentinel] = []
        self.phase = Phase.WATCHING
        """Of the process that answers."""
        self.answers = True
        self.set = "flatten"
        """Policy of the process that answers."""
        self.gives = True
        self.notes: list[SentinelNote] = []
        self._take: Callable[[Said], None] = lambda _: None

    def bind(self, take: Callable[[Said], None], unread: Callable[[str], None]) -> None:
        self._take, self.unread = take, unread

    def end(self, *, by_force: bool) -> str:
        self.ended += 1
        self.forced = by_force
        return "process 7 is ended"

    def tend(self) -> None:
        pass

    def send(self, message: ToSentinel) -> None:
        self.heard.append(message)
        if self.answers and isinstance(message, Beat):
            self._take(
                Said(
                    phase=self.phase,
                    policy=self.set,
                    pid=self.pid,
                    after=2.0,
                    n=message.n,
                    venue="here",
                    reachable=True,
                    format=self.runs[0],
                    build=self.runs[1],
                )
            )

    async def regain(self) -> Regained | None:
        if not self.gives or not self.hold.claim():
            return None
        return Regained("", ())

    async def close(self) -> None:
        self.store.close()

    def take_away(self) -> None:
        """The sentinel takes the lease."""
        assert Leasehold(LeaseFile(self.store.path), Holder.SENTINEL).claim()


def watched(rig: Rig) -> FakePost:
    """A keeper for an engine that runs."""
    post = FakePost(rig.directory / "lease")
    rig.engine.keeper = Keeper(rig.engine, post)
    rig.engine._links._fence = post.hold
    return post


async def kept(rig: Rig) -> tuple[FakePost, Keeper]:
    """The same a second after its first heartbeat."""
    post = watched(rig)
    keeper = rig.engine.keeper
    assert keeper is not None
    await keeper.first()
    await rig.sleep(1)
    return post, keeper


def codes(rig: Rig) -> set[str]:
    """Alarms whose cause is not over."""
    return {a.code for a in rig.engine.core.books.alerts.rows(100) if not a.cleared}


def play(script: Callable[[Rig], Any]) -> Any:
    return Rig.play(script)


def test_beats_come_from_the_engines_thread_and_stop_with_it() -> None:
    async def script(rig: Rig) -> None:
        post = watched(rig)
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        await rig.sleep(2)
        beats = [m for m in post.heard if isinstance(m, Beat)]
        assert 9 <= len(beats) <= 12
        assert [b.n for b in beats] == list(range(1, len(beats) + 1))
        assert rig.engine.status.sentinel().state == "ok"
        await rig.engine.stop("planned")
        assert isinstance(post.heard[-1], Goodbye)
        count = len(post.heard)
        await rig.sleep(2)
        assert len(post.heard) == count

    play(script)


def test_a_sentinel_that_is_gone_is_alarmed_until_one_answers() -> None:
    async def script(rig: Rig) -> None:
        post = watched(rig)
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        await rig.sleep(1)
        post.answers, post.problem = False, "its process ended with -9"
        await rig.sleep(3)
        assert "sentinel_gone" in codes(rig)
        row = rig.engine.status.sentinel()
        assert row.state == "down" and "-9" in row.text
        post.answers, post.problem = True, ""
        await rig.sleep(1)
        assert "sentinel_gone" not in codes(rig)

    play(script)


def test_who_finds_the_lease_taken_sends_nothing_halts_and_asks_until_it_is_back() -> None:
    async def script(rig: Rig) -> None:
        post = watched(rig)
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        rig.send(Side.BUY, 1, 23_900)
        await rig.sleep(1)
        post.gives = False
        post.take_away()
        arrived = len(rig.exchange.audit("PAPER").orders)
        # The very next order finds it, before any heartbeat does.
        rig.send(Side.BUY, 1, 23_901)
        await rig.sleep(3)
        assert len(rig.exchange.audit("PAPER").orders) == arrived
        engine = rig.engine
        assert not engine.core.link_up and "sentinel" in {h.code for h in engine.core.books.halts.all()}
        assert sum(isinstance(m, HandBack) for m in post.heard) > 5
        assert engine.status.sentinel().text.startswith("LOCKED OUT")
        engine.command(Kill(reason="a person kills meanwhile"), "test")
        await rig.sleep(3)
        audit = rig.exchange.audit("PAPER").orders
        assert [o.status for o in audit] == ["WORKING"], "not even a cancel leaves"
        post.gives = True
        await rig.sleep(8)
        assert engine.core.link_up and not engine.keeper.why_not  # type: ignore[union-attr]
        assert engine.core.books.halts.account() is not None, "only a person lifts it"
        assert [o.status for o in rig.exchange.audit("PAPER").orders] == ["CANCELED"], (
            "the kill goes on by itself"
        )
        assert engine.kill.progress.verdict.startswith("flat")

    play(script)


def test_one_with_other_settings_is_sent_away() -> None:
    async def script(rig: Rig) -> None:
        post = watched(rig)
        post.set = "alert"
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        await rig.sleep(2)
        assert sum(isinstance(m, Goodbye) for m in post.heard) == 1
        assert "sentinel_settings" in codes(rig)
        post.set = "flatten"
        await rig.sleep(1)
        assert "sentinel_settings" not in codes(rig)

    play(script)


def test_at_least_ten_beats_come_within_the_silence_that_counts() -> None:
    for after in (1.0, 5.0, 60.0):
        every = min(max(after / 10, 0.1), 1.0)
        assert after / every >= 10 and every * NS >= NS // 10


def test_one_of_an_older_build_is_replaced_once() -> None:
    """As after an update: it understands this engine, and what it does is not what the engine knows."""

    async def script(rig: Rig) -> None:
        post = watched(rig)
        post.runs = (FORMAT, "1+b")
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        await rig.sleep(1)
        assert [m for m in post.heard if isinstance(m, Goodbye)], "it is asked to leave, until it has"
        post.pid, count = 8, len(post.heard)
        await rig.sleep(60)  # what comes back is the same: the code on disk is newer than this engine
        assert not [m for m in post.heard[count:] if isinstance(m, Goodbye)] and not post.ended
        row = rig.engine.status.sentinel()
        assert row.state == "ok" and "build 1+b (the engine's is 1+a)" in row.text
        assert row.heard is not None and row.heard < 1 and not codes(rig) & {"sentinel_build"}

    play(script)


def test_one_that_speaks_another_format_leaves_or_is_ended() -> None:
    async def script(rig: Rig) -> None:
        post = watched(rig)
        post.runs = (FORMAT - 1, "")
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        await rig.sleep(1)
        assert len([m for m in post.heard if isinstance(m, Goodbye)]) == 1 and not post.ended
        assert "sentinel_build" in codes(rig)
        await rig.sleep(16)
        assert post.ended == 1 and not post.forced, "it did not leave"
        await rig.sleep(16)
        assert post.ended == 2 and post.forced, "nor when it was told by a signal"
        post.runs = (FORMAT, "1+a")
        await rig.sleep(1)
        assert "sentinel_build" not in codes(rig) and rig.engine.status.sentinel().state == "ok"

    play(script)


def test_one_that_cannot_be_read_leaves_or_is_ended() -> None:
    async def script(rig: Rig) -> None:
        post = watched(rig)
        post.answers = False
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        post.unread("Invalid value 'dreaming'")
        assert isinstance(post.heard[-1], Goodbye) and "sentinel_build" in codes(rig)
        await rig.sleep(16)
        post.unread("Invalid value 'dreaming'")
        assert post.ended == 1

    play(script)


def test_what_the_sentinel_could_not_page_is_read_from_its_journal_unless_it_was_paged_later() -> None:
    notes = {"j": ["silent", "unpaged"], "k": ["silent", "unpaged", "paged"]}

    def body(event: str) -> str:
        return msgspec.json.encode(SentinelNote(event=event, text=f"{event} text")).decode()  # type: ignore[arg-type]

    async def script(rig: Rig) -> None:
        watched(rig)
        for journal, events in notes.items():
            rows = tuple(Row(n, 0, KINDS[SentinelNote], "", "", body(e), 0) for n, e in enumerate(events, 1))
            keeper = rig.engine.keeper
            assert keeper is not None
            keeper._tell(take_over(rig.engine, Regained(journal, rows)), "")
            found = [a.text for a in rig.engine.core.books.alerts.rows(100) if a.code == "sentinel_pager"]
            assert found == ["the sentinel paged nobody: unpaged text"], "told once, of the first journal"

    play(script)


def journalled(records: Iterable[AnyRecord]) -> tuple[Row, ...]:
    """The rows of a sentinel's journal that hold these."""
    return tuple(
        Row(n, 0, KINDS[type(r)], "", "", msgspec.json.encode(r).decode(), 0)
        for n, r in enumerate(records, 1)
    )


def test_an_order_that_the_sentinel_cancelled_was_cancelled_by_request() -> None:
    """Found at a terminal: the engine alarmed that the venue had cancelled unasked, with each hand-back."""

    async def script(rig: Rig) -> None:
        watched(rig)
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        order, refusal = rig.send(Side.BUY, 1, 23_900)
        assert refusal is None
        await rig.sleep(1)
        ended = Canceled(ts=1, order_id=order.id, broker_id=None, reason="asked for")
        records = (
            SentinelNote(event="silent", text="nothing heard"),
            SentinelNote(event="fenced", text="taken"),
            Sent(order_id=order.id, what="cancel"),
            FactTaken(fact=ended, source="stream"),
            Sent(order_id=order.id, what="cancel"),
        )
        deeds = take_over(rig.engine, Regained("j", journalled(records)))
        assert deeds.cancels == 2
        found = rig.engine.core.books.orders.get(order.id)
        assert found is not None and found.life.status is OrderStatus.CANCELED
        assert "unsolicited_cancel" not in codes(rig)

    play(script)


def test_what_the_sentinel_proved_flat_leaves_no_strategy_a_share() -> None:
    """Two strategies went on counting lots that opposed one another; what was intended was bought anew."""

    async def script(rig: Rig) -> None:
        watched(rig)
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        for side, name in ((Side.BUY, "one"), (Side.SELL, "two")):
            _, refusal = rig.send(side, 1, strategy=name)
            assert refusal is None
            await rig.sleep(0.5)
        position = rig.engine.core.books.positions.get("ES")
        rig.engine.core.commit(Intended(strategy="one", symbol="ES", lots=1))
        records = (
            SentinelNote(event="fenced", text="taken"),
            KillEnded(flat=True, verdict="flat, confirmed twice by the broker"),
        )
        take_over(rig.engine, Regained("j", journalled(records)))
        assert {name: part.qty for name, part in position.parts.items()} == {"one": 0, "two": 0}
        assert position.intended == {"one": 0} and position.held.qty == 0

    play(script)


def test_one_that_says_that_it_is_at_work_is_believed_whatever_the_lease_says() -> None:
    """Found by reading: the lease's file was removed while the sentinel stood still at work; the engine took
    the new one, traded beside a sentinel that never left, and nobody watched over it."""

    async def script(rig: Rig) -> None:
        post = watched(rig)
        await rig.engine.keeper.first()  # type: ignore[union-attr]
        await rig.sleep(1)
        post.phase = Phase.ACTING
        await rig.sleep(1)
        keeper = rig.engine.keeper
        assert keeper is not None and "at work" in keeper.why_not and not rig.engine.core.link_up
        assert any(isinstance(m, HandBack) for m in post.heard)
        arrived = len(rig.exchange.audit("PAPER").orders)
        rig.send(Side.BUY, 1, 23_901)
        await rig.sleep(2)
        assert keeper.why_not and len(rig.exchange.audit("PAPER").orders) == arrived
        post.answers, post.problem = False, "the connection to it broke"  # it has left
        await rig.sleep(3)
        assert not keeper.why_not and rig.engine.core.link_up
        post.answers, post.problem, post.phase = True, "", Phase.WATCHING
        await rig.sleep(2)
        assert not keeper.why_not
        assert rig.engine.core.books.halts.account() is not None, "only a person lifts it"

    play(script)


def test_an_engine_that_stood_still_itself_does_not_call_the_sentinel_gone() -> None:
    """Found at a terminal: stopped for some seconds and continued, its first heartbeat alarmed that the
    sentinel stood still; and so did the seconds in which the next one started, after the hand-back."""

    async def script(rig: Rig) -> None:
        post, keeper = await kept(rig)
        post.answers = False  # what it says waits in the socket
        keeper._timer.cancel()  # type: ignore[union-attr]
        await rig.sleep(60)
        keeper._beat()
        assert "sentinel_gone" not in codes(rig)
        await rig.sleep(3)
        assert "sentinel_gone" in codes(rig), "now it had its time"
        post.answers = True
        await rig.sleep(1)
        post.take_away()
        post.answers, post.problem = False, "it is starting"
        await rig.sleep(5)
        assert not keeper.why_not, "given back at once"
        assert "sentinel_gone" not in codes(rig), "as at a start of the engine"
        await rig.sleep(15)
        assert "sentinel_gone" in codes(rig)

    play(script)


def test_an_answer_from_before_the_lease_came_back_counts_no_more() -> None:
    async def script(rig: Rig) -> None:
        post, keeper = await kept(rig)
        late = Said(phase=Phase.YIELDING, policy="flatten", pid=7, after=2.0, n=0, format=FORMAT, build="1+a")
        post._take(late)
        assert not keeper.why_not

    play(script)
