"""Runs cases one after another and makes their results: checks, figures, journal and timeline."""

from __future__ import annotations

import asyncio
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.drill.case import Case
from app.drill.context import DrillContext
from app.drill.live import LiveDrill
from app.drill.model import CaseResult, Pace, Status
from app.drill.notes import Broken, Notes, NotPossible
from app.drill.processes import ExchangeProcess, short_folder
from app.drill.timeline import unroll
from app.drill.virtual import VirtualDrill, plan_of
from app.drill.world import World
from app.session import instruments_of
from engine.clock import RealClock
from engine.config import EngineConfig
from engine.control.commands import Adopt, Reset
from engine.control.snapshot import Snapshot
from engine.feeds.errors import FeedError
from engine.journal.errors import StoreRefused
from engine.journal.rows import Row
from engine.model import Instrument
from engine.recorder import open_tape

ACCOUNT = "account"
"""In a drill's folder: state directory of the engines that trade at somebody else's account."""
NOT_HERE = "not possible against this account: it takes an exchange that the drill controls"


@dataclass(slots=True)
class _Ran:
    """What a case left, before it is put into a result."""

    pace: Pace
    config: EngineConfig
    notes: Notes | None = None
    problem: str = ""
    skipped: bool = False
    span: float = 0.0
    rows: Sequence[Row] = ()
    instruments: Sequence[Instrument] = ()
    path: Sequence[tuple[int, str, int]] = ()


def run_case(case: Case, context: DrillContext) -> CaseResult:
    """Runs one case to its result."""
    begin = time.monotonic()
    if context.against and (case.live is None or case.own_exchange):
        config = context.settings.engine_config()
        ran = _Ran("virtual" if case.live is None else "real", config, problem=NOT_HERE, skipped=True)
    elif case.virtual is not None:
        ran = _virtual(case, context)
    else:
        ran = _live(case, context)
    return _result(case, ran, time.monotonic() - begin)


def _guard(ran: _Ran, go: Callable[[], None]) -> None:
    """Runs a case's script; whatever ends it early is its finding."""
    try:
        go()
    except NotPossible as why:
        ran.problem, ran.skipped = str(why), True
    except Broken as why:
        ran.problem = f"it could not go on: {why}"
    except Exception as error:  # noqa: BLE001 - whatever the engine or the case throws is the case's result
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error) or repr(error)
        ran.problem = f"{type(error).__name__}: {text} ({Path(where.filename).name}:{where.lineno})"


def _virtual(case: Case, context: DrillContext) -> _Ran:
    assert case.virtual is not None
    script = case.virtual
    try:
        plan = plan_of(case, context)
    except NotPossible as why:
        return _Ran("virtual", context.settings.engine_config(), problem=str(why), skipped=True)
    ran = _Ran("virtual", plan.config, instruments=plan.instruments)

    async def play(world: World) -> None:
        notes = ran.notes = Notes(world.clock.now, plan.start)
        drill = VirtualDrill(
            context, case, world, notes, context.rng(case.id), context.settings.engine_config().risk
        )
        ran.path = world.path
        try:
            await script(drill)
        finally:
            ran.span = notes.at()

    _guard(ran, lambda: World.run(plan, play))
    ran.rows = _rows(plan.directory / "journal.db", ran)
    remove(plan.directory)
    return ran


def _live(case: Case, context: DrillContext) -> _Ran:
    assert case.live is not None
    script = case.live
    ran = _Ran("real", context.settings.engine_config())
    notes = ran.notes = Notes(time.time_ns)
    with short_folder() as sockets:
        folder = context.place(case.id)
        drill: LiveDrill | None = None

        def play() -> None:
            nonlocal drill
            if context.against:
                # One state for all cases of an account: its position and its orders go on from case to case.
                feed, state = context.settings.feed.source, context.folder / ACCOUNT
                venue = None
            else:
                venue = ExchangeProcess(sockets, context.seed)
                feed, state = f"exchange:{venue.address}", folder / "state"
            drill = LiveDrill(context, case, notes, folder, state, (), venue, feed=feed)
            drill.instruments = ran.instruments = asyncio.run(_instruments(context, feed))
            script(drill)

        try:
            _guard(ran, play)
        finally:
            ran.span = notes.at()
            if drill is not None:
                drill.close()
        if drill is not None:
            ran.rows = drill.kept or _rows(drill.state / "journal.db", ran)
            if context.against:
                ran.rows = [r for r in ran.rows if r.ts >= notes.begin]
        remove(folder)
    return ran


def look_at_account(context: DrillContext) -> str:
    """What the account of a profile holds, by an engine that trades nothing; empty where it is flat and
    nothing works: then its past is settled for the cases. Raises `Broken` where no engine comes
    up, or its instruments stay halted."""
    probe = Case("0.0", "look", "look", settings={"limits": {}, "keep": (), "config": {}})
    feed = context.settings.feed.source
    folder = context.place("account-look")
    state = context.folder / ACCOUNT
    drill = LiveDrill(context, probe, Notes(time.time_ns), folder, state, (), None, feed=feed)
    try:
        drill.instruments = asyncio.run(_instruments(context, feed))
        drill.start()
        picture = drill.see("the broker's word", _told)
        held = [f"{p.broker:+f} {p.symbol}" for p in picture.positions if p.broker]
        working = [f"order {o.broker_id or o.id} in {o.symbol}" for o in picture.orders if o.leaves]
        if not held and not working:
            _settle(drill)
        return ", ".join([*held, *working])
    finally:
        drill.close()
        remove(folder)


def _settle(drill: LiveDrill) -> None:
    """Takes over what somebody's engine traded at the account before. To an engine without that one's journal
    such executions are of orders that nobody placed, and halt their instruments; a halt in a case is to be
    the case's own."""
    unsettled = ("not compared", "unknown", "in flight", "held")
    to_settle = ("halted", "drift")

    def states(picture: Snapshot, words: Sequence[str]) -> list[str]:
        return [p.symbol for p in picture.positions if p.state.startswith(tuple(words))]

    def settled(picture: Snapshot) -> bool:
        # Looked at again and again: what a second comparison has to confirm halts its instrument later.
        wrong = states(picture, to_settle)
        for symbol in wrong:
            drill.engine.command(Adopt(symbol=symbol))
            drill.engine.command(Reset(scope="instrument", target=symbol))
        return picture.trading and not wrong and not states(picture, unsettled)

    drill.see("its instruments trade", settled)
    drill.engine.stop()  # in order, so that all of it is on disk for the next one


def _told(picture: Snapshot) -> Snapshot | None:
    """Once the broker has said what it holds."""
    return picture if any(p.broker is not None for p in picture.positions) else None


async def _instruments(context: DrillContext, feed: str) -> tuple[Instrument, ...]:
    clock = RealClock(asyncio.get_running_loop())
    try:
        return tuple(await instruments_of(context.settings, feed, context.seed, clock))
    except FeedError as error:
        raise Broken(str(error)) from error


def _rows(path: Path, ran: _Ran) -> list[Row]:
    """The case's journal; one that cannot be read is a finding of its own."""
    if not path.exists():
        return []
    try:
        with open_tape(path) as tape:
            return list(tape.rows())
    except StoreRefused as error:
        ran.problem = ran.problem or f"its journal cannot be read: {error}"
        return []


def _result(case: Case, ran: _Ran, wall: float) -> CaseResult:
    notes = ran.notes
    status: Status = "skipped" if ran.skipped else "passed"
    if not ran.skipped and (ran.problem or notes is None or not notes.ok):
        status = "failed"
    unrolled = None
    if notes is not None and not ran.skipped:
        unrolled = unroll(ran.rows, notes.begin, ran.span, ran.config, ran.instruments, ran.path, notes.bands)
    return CaseResult(
        id=case.id,
        title=case.title,
        why=case.why,
        status=status,
        pace=ran.pace,
        wall=round(wall, 3),
        engine=round(ran.span, 3),
        steps=tuple(notes.steps) if notes is not None else (),
        checks=tuple(notes.checks) if notes is not None else (),
        problem=ran.problem,
        figures=dict(notes.figures) if notes is not None else {},
        rows=unrolled.rows if unrolled is not None else 0,
        journal=unrolled.journal if unrolled is not None else (),
        timeline=unrolled.timeline if unrolled is not None else None,
        digest=unrolled.digest if unrolled is not None else "",
    )


def remove(folder: Path) -> None:
    """Removes what a case left on disk: its rows are in its result, and ballast takes space."""
    shutil.rmtree(folder, ignore_errors=True)
