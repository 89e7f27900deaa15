"""What a case with real processes works with: an exchange, an engine on one state directory, the notebook."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from app.drill.case import Case
from app.drill.configfile import write_config
from app.drill.context import DrillContext
from app.drill.limits import limits_of
from app.drill.notes import Broken, Notes, NotPossible, words
from app.drill.processes import EngineProcess, ExchangeProcess, NeverSeen, end_sentinel, wait_for
from app.drill.tmpdisk import seen_from_outside
from engine.control.commands import Answer, Kill, Submit
from engine.control.snapshot import OrderRow, PositionRow, Snapshot
from engine.journal.rows import Row
from engine.model import Instrument, Side
from engine.recorder import open_tape

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds that a case waits for what must happen."""


@dataclass(slots=True)
class LiveDrill:
    """Handed to the script of a case."""

    context: DrillContext
    case: Case
    notes: Notes
    folder: Path
    """Of the case: configuration, state directory, the exchange's socket and ledger."""
    state: Path
    instruments: Sequence[Instrument]
    venue: ExchangeProcess | None
    """None: the account is somebody else's."""
    engines: list[EngineProcess] = field(default_factory=list)
    feed: str = ""
    prefix: Sequence[str] = ()
    """Words before the command of engines to come."""
    kept: Sequence[Row] = ()
    """Rows that were read before the place of the journal went away."""

    # -- the notebook

    def did(self, text: str) -> None:
        self.notes.did(text)

    def check(self, what: str, ok: bool, saw: object, *ids: str) -> bool:
        return self.notes.check(what, ok, saw, *ids)

    @contextlib.contextmanager
    def trouble(self, text: str) -> Iterator[None]:
        """A time in which something is wrong; it becomes a band in the timeline."""
        begin = self.notes.at()
        try:
            yield
        finally:
            self.notes.band(begin, text)

    # -- processes

    @property
    def exchange(self) -> ExchangeProcess:
        """Raises `NotPossible` where the exchange is not the drill's."""
        if self.venue is None:
            raise NotPossible("not possible against this account: it takes power over the exchange")
        return self.venue

    @property
    def engine(self) -> EngineProcess:
        return self.engines[-1]

    def start(self, *options: str, wrapper: Sequence[str] = ("-m", "app.cli"), **changes: Any) -> Snapshot:
        """Starts an engine on the case's state, and waits until it trades (or shows why not). `changes`: risk
        limits of this start."""
        settings = self.context.settings
        own = self.case.settings
        path = self.folder / f"breakwater-{len(self.engines) + 1}.toml"
        replaced: dict[str, Any] = {
            "profile": "paper",
            "stage": "paper",
            "link": {**settings.link.model_dump(), "resume": "agreed"},
            "risk": limits_of(settings.risk, own["keep"], {**own["limits"], **changes}).model_dump(),
            "strategies": [
                {
                    "module": "app.drill.quiet:Quiet",
                    "name": "drill",
                    "symbols": [self.instruments[0].symbol],
                }
            ],
        }
        if self.venue is not None:
            replaced.update({"connections": [], "currency": "USD", "fx": {}})
        for section, values in own["config"].items():
            before = replaced.get(section) or getattr(settings, section).model_dump()
            replaced[section] = {**before, **values}
        replaced = {key: value for key, value in replaced.items() if key in type(settings).model_fields}
        write_config(path, settings, replaced)
        env = {k: v for k, v in os.environ.items() if not k.startswith("BREAKWATER__")}
        watched = "sentinel" in own["config"]
        self.engines.append(
            EngineProcess(self.state, path, self.feed, env, wrapper, self.prefix, sentinel=watched)
        )
        self.engine.begin(*options)
        if self.prefix:
            # It has a disk of its own there, which is seen through its process alone.
            self.engine.state = seen_from_outside(self.engine.pid, self.state)
        return self.see("the engine is up", lambda p: p)

    def trading(self) -> Snapshot:
        """Waits until the three views agree, the market is there, and the account's figures have come: until
        then the control of the day's loss refuses what opens."""
        symbol = self.instruments[0].symbol

        def ready(p: Snapshot) -> Snapshot | None:
            row = position_of(p, symbol)
            told = all(r.state != "UNKNOWN" for r in p.risk if r.control == "daily_loss")
            quoted = row is not None and row.bid is not None and row.ask is not None
            return p if p.trading and told and quoted else None

        return self.see("recovery has finished and the market is there", ready)

    def see(self, what: str, look: Callable[[Snapshot], T | None], patience: float = PATIENCE) -> T:
        """The first true answer of `look`; the case cannot go on without. Raises `Broken`."""
        try:
            return self.engine.until(look, what, patience)
        except NeverSeen as error:
            raise Broken(str(error)) from error

    def until(
        self,
        what: str,
        look: Callable[[Snapshot], object],
        *ids: str,
        within: float = PATIENCE,
        saw: Callable[[Snapshot], object] | None = None,
    ) -> bool:
        """Waits for what must happen, and notes how long that took."""
        begin = self.notes.at()
        last: list[Snapshot] = []

        def once() -> bool:
            picture = self.engine.picture()
            if picture is None:
                return False
            last[:] = [picture]
            return bool(look(picture))

        try:
            ok = wait_for(once, what, every=0.02, patience=within)
        except NeverSeen:
            ok = False
        text = "it did" if ok else f"not within {within:g} s"
        if saw is not None and last:
            text = words(saw(last[0]))
        self.notes.check(what, ok, text, *ids, took=self.notes.at() - begin)
        return ok

    # -- orders

    def instrument(self) -> Instrument:
        """The one that is traded."""
        return self.instruments[0]

    def touch(self) -> tuple[Decimal, Decimal]:
        """Bid and ask right now."""
        row = self.see("a market", lambda p: _priced(position_of(p, self.instrument().symbol)))
        assert row.bid is not None and row.ask is not None
        return row.bid, row.ask

    def submit(self, side: Side, lots: int, limit: Decimal | None = None, **fields: Any) -> Answer:
        """A limit order by command; without a price at ten ticks through the touch, so that it trades."""
        instrument = self.instrument()
        if limit is None:
            bid, ask = self.touch()
            limit = ask + 10 * instrument.tick if side is Side.BUY else bid - 10 * instrument.tick
        size = instrument.size(lots)
        return self.engine.command(
            Submit(symbol=instrument.symbol, side=side, size=size, limit=limit, **fields), PATIENCE
        )

    def away(self, side: Side, ticks: int = 40) -> Decimal:
        """A price so many ticks behind the touch, where nothing trades soon."""
        bid, ask = self.touch()
        step = ticks * self.instrument().tick
        return bid - step if side is Side.BUY else ask + step

    def position(self, picture: Snapshot | None = None) -> Decimal:
        """By our executions."""
        picture = picture or self.see("a picture", lambda p: p)
        row = position_of(picture, self.instrument().symbol)
        return row.executed if row is not None else Decimal(0)

    def opened(self, side: Side, lots: int) -> str:
        """Trades at the market and waits for the fill; returns the order's id."""
        answer = self.submit(side, lots)
        word = "buy" if side is Side.BUY else "sell"
        self.did(f"{word} {lots} {self.instrument().symbol} at the market")
        order_id = answer.data.get("order_id", "")
        if not answer.ok:
            raise Broken(f"{word} {lots} was refused: {answer.text}")
        self.see("the fill", lambda p: _status(p, order_id) == "FILLED")
        return order_id

    def rested(self, side: Side, lots: int, ticks: int = 40, *, near: bool = False) -> str:
        """Rests an order away from the market and waits until it works; returns its id. One that is `near`
        may have been filled before it was seen to work."""
        answer = self.submit(side, lots, self.away(side, ticks))
        word = "buy" if side is Side.BUY else "sell"
        self.did(f"rest an order to {word} {lots} {self.instrument().symbol}, {ticks} ticks away")
        order_id = answer.data.get("order_id", "")
        if not answer.ok:
            raise Broken(f"the order was refused: {answer.text}")
        seen = ("WORKING", "FILLED") if near else ("WORKING",)
        self.see("the order works", lambda p: _status(p, order_id) in seen)
        return order_id

    def kill_switch(self, reason: str = "drill", patience: float = 60.0) -> Answer:
        """Kill and flatten by command; the last answer."""
        self.did("kill switch: halt, cancel all and flatten")
        return self.engine.command(Kill(reason=reason), patience)

    # -- afterwards

    def rows(self) -> list[Row]:
        """What the journal holds, of an engine that runs or has ended."""
        if self.kept:
            return list(self.kept)
        path = (self.engines[-1].state if self.engines else self.state) / "journal.db"
        if not path.exists():
            return []
        with open_tape(path) as tape:
            return list(tape.rows())

    def close(self) -> None:
        """Ends whatever the case left running."""
        for engine in self.engines:
            engine.give_up()
        end_sentinel(self.state)
        if self.venue is not None:
            self.venue.close()


def position_of(picture: Snapshot, symbol: str) -> PositionRow | None:
    """The line of an instrument."""
    return next((p for p in picture.positions if p.symbol == symbol), None)


def order_of(picture: Snapshot, order_id: str) -> OrderRow | None:
    """The line of an order."""
    return next((o for o in picture.orders if o.id == order_id), None)


def _status(picture: Snapshot, order_id: str) -> str:
    row = order_of(picture, order_id)
    return "" if row is None else row.status


def _priced(row: PositionRow | None) -> PositionRow | None:
    return row if row is not None and row.bid is not None and row.ask is not None else None
