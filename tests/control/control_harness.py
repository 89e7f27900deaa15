"""An engine's socket as a client meets it: the real server on a loop and thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from app.link import SocketLink
from engine.control import wire
from engine.control.commands import Answer, AnyCommand
from engine.control.news import News
from engine.control.questions import Answerer
from engine.control.replies import StoryTold
from engine.control.screens import Stage
from engine.control.server import ControlServer
from engine.control.snapshot import (
    AlertRow,
    HealthRow,
    Hold,
    OrderRow,
    Percentiles,
    PositionRow,
    RiskRow,
    ScreenRow,
    Snapshot,
    StrategyRow,
)


def order_row(n: int, status: str = "WORKING") -> OrderRow:
    return OrderRow(
        id=f"manual-{n}",
        broker_id=f"B{n}",
        strategy="manual",
        symbol="ES",
        side="B",
        type="LMT",
        tif="DAY",
        qty=Decimal(3),
        filled=Decimal(1),
        leaves=Decimal(2),
        limit=Decimal("4800.25"),
        stop=None,
        avg_price=Decimal("4800.25"),
        status=status,
        overlay="",
        reason="",
        created=1,
        foreign=False,
        purpose="trade",
        correlation=f"c{n}",
    )


def make_snapshot(seq: int = 1, orders: int = 2) -> Snapshot:
    return Snapshot(
        seq=seq,
        ts=1_700_000_000_000_000_000 + seq,
        mode="PAPER",
        account="PAPER",
        currency="USD",
        feed="synthetic",
        feed_progress=None,
        halted=False,
        halt_reason="",
        paused=(Hold(code="spread", scope="ES", text="ES: spread 6 ticks"),),
        trading=True,
        trading_text="",
        equity=Decimal("100000.123456789012345678"),
        day_pnl=Decimal("-12.50"),
        day_limit=Decimal(2000),
        orders=tuple(order_row(n, "UNKNOWN" if n == 1 else "WORKING") for n in range(orders)),
        positions=(
            PositionRow(
                symbol="ES",
                intended=Decimal(2),
                executed=Decimal(2),
                broker=Decimal(1),
                diff=Decimal(-1),
                state="drift",
                avg_price=Decimal("4800.25"),
                last=Decimal("4801.00"),
                bid=Decimal("4800.75"),
                ask=Decimal("4801.00"),
                open_pnl=Decimal("75.00"),
                realised_pnl=Decimal(0),
                fees=Decimal("4.20"),
                data_age=0.2,
                data_state="live",
                market_state="OPEN",
                by_strategy={"manual": Decimal(2)},
            ),
        ),
        risk=(
            RiskRow(
                control="daily_loss",
                title="Daily loss",
                scope="",
                used="12.50",
                limit="2000",
                ratio=0.00625,
                state="ACTIVE",
                action="kill",
                detail="",
            ),
        ),
        alerts=(
            AlertRow(
                id=1,
                ts=1_700_000_000_000_000_000,
                severity="warning",
                code="drift",
                text="ES drifted",
                symbol="ES",
                correlation="c1",
                acknowledged=False,
            ),
        ),
        strategies=(
            StrategyRow(
                name="meanrev",
                state="running",
                reason="",
                intended={"ES": Decimal(2)},
                orders=3,
                fills=2,
                pnl=Decimal("1.25"),
                lag_ms=0.4,
                rss_mb=31.0,
            ),
        ),
        health=HealthRow(
            broker="ok",
            broker_text="paper",
            data="ok",
            data_age=0.2,
            engine="ok",
            risk_p50_ms=10.0,
            risk_p99_ms=11.0,
            risk_max_ms=14.0,
            journal="ok",
            journal_text="",
            journal_seq=7,
            commit_p50_us=200.0,
            commit_p99_us=900.0,
            latencies=(Percentiles(stage="journalled", count=3, p50=1.0, p95=2.0, p99=3.0, max=4.0),),
            counters={"duplicates": 0},
            rates={"reject_rate": 0.0},
            rss_mb=60.0,
            uptime=12.0,
        ),
        kill=None,
        limits_version=1,
    )


class Attendance:
    """Takes in screens and says who they are, as seats do; everybody is in control."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.joined: list[tuple[str, bool, bool]] = []
        self.left: list[tuple[int, bool, str]] = []

    def join(self, who: str, *, read_only: bool = False, take: bool = False) -> int:
        self.joined.append((who, read_only, take))
        row = ScreenRow(id=len(self.joined), who=who, role="control", since=1)
        if self.served.snapshot is not None:
            self.served.update(screens=(*self.served.snapshot.screens, row))
        return row.id

    def leave(self, seat: int, *, goodbye: bool, how: str) -> None:
        self.left.append((seat, goodbye, how))


class Served:
    """A running server, with what it was asked and a way to answer."""

    def __init__(self, directory: Path) -> None:
        self.told = News()
        self.seats = Attendance(self)
        self.run_name = "run-1"
        self.directory = directory
        self.snapshot: Snapshot | None = make_snapshot()
        self.published = time.monotonic()
        self.commands: list[tuple[AnyCommand, str]] = []
        self.reports: list[tuple[str, str]] = []
        self.sinks: list[Callable[[Answer], None]] = []
        self.answer: Answerer = lambda question, sink: sink(StoryTold(ident=getattr(question, "ident", "?")))
        self.on_command: Callable[[AnyCommand, Callable[[Answer], None]], None] = self._done
        self.arrived = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.server: ControlServer
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    @staticmethod
    def _done(command: AnyCommand, sink: Callable[[Answer], None]) -> None:
        sink(Answer(ok=True, text="accepted", final=False))
        sink(Answer(ok=True, text=f"{type(command).__name__} done", data={"order_id": "manual-9"}))

    def _command(self, command: AnyCommand, who: str, sink: Callable[[Answer], None]) -> None:
        self.commands.append((command, who))
        self.sinks.append(sink)
        self.arrived.set()
        self.on_command(command, sink)

    def _from_screen(self, command: AnyCommand, who: str, sink: Callable[[Answer], None], seat: int) -> None:
        self._command(command, f"{who} seat={seat}", sink)

    def run(self, coroutine: object) -> object:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)  # type: ignore[arg-type]

    def start(self) -> None:
        async def go() -> None:
            self.server = ControlServer(
                self.directory,
                snapshot=lambda: self.snapshot,
                command=self._command,
                build="test",
                report=lambda event, text: self.reports.append((event, text)),
                stage=Stage(
                    newest=self.newest,
                    news=self.told,
                    command=lambda command, who, sink, seat: self._command(
                        command, f"{who} seat={seat}", sink
                    ),
                    answer=lambda question, sink: self.answer(question, sink),
                    seats=self.seats,
                    run=self.run_name,
                ),
            )
            await self.server.start()

        self.run(go())

    def newest(self) -> tuple[Snapshot, float] | None:
        snapshot, at = self.snapshot, self.published
        return None if snapshot is None else (snapshot, at)

    def update(self, at: float | None = None, **changes: object) -> None:
        """A new snapshot; `at`: when it was published, host's monotonic clock, s."""
        assert self.snapshot is not None
        self.published = time.monotonic() if at is None else at
        self.snapshot = msgspec.structs.replace(self.snapshot, seq=self.snapshot.seq + 1, **changes)

    def stop(self) -> None:
        self.run(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(60)
        self.loop.close()


PATIENCE = 60.0


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def shows(link: SocketLink, wanted: Callable[[], Snapshot | None]) -> None:
    until(lambda: link.latest() == wanted(), "the same snapshot on both sides")


class Raw:
    """A client that may misbehave."""

    def __init__(self, path: Path, greet: bool = True) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.deframer = wire.Deframer(wire.MAX_REPLY)
        self.ready: list[wire.FromEngine] = []
        if greet:
            self.send(wire.encode(wire.Hello(version=wire.PROTOCOL)))
            assert isinstance(self.read(), wire.Welcome)

    def send(self, body: bytes) -> None:
        self.sock.sendall(wire.frame(body))

    def read(self) -> wire.FromEngine | None:
        """The next message; None when the engine hung up."""
        while not self.ready:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.ready += [wire.decode_reply(b) for b in self.deframer.feed(data)]
        return self.ready.pop(0)
