"""Attached screens that are slow, vanish, talk nonsense or flood: they are let go, nobody else notices."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from control_harness import PATIENCE, Served, make_snapshot, order_row, shows, until

from app.link import SocketLink
from engine.control import screens as screens_module
from engine.control import wire
from engine.control.client import ControlClient
from engine.control.commands import Answer, Cancel, Kill, Pause
from engine.control.frames import patched
from engine.control.mark import build_mark
from engine.control.questions import MAX_ASKED, AnyReply, StoryOf
from engine.control.replies import StoryTold
from engine.control.screens import MAX_SCREENS
from engine.control.snapshot import Snapshot


class Slow:
    """A screen that attaches and then reads only when told to."""

    def __init__(self, directory: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(str(wire.socket_path(directory)))
        for message in (wire.Hello(version=wire.PROTOCOL), wire.Attach(id=1, mark=build_mark())):
            self.sock.sendall(wire.frame(wire.encode(message)))
        self.deframer = wire.Deframer(wire.MAX_REPLY)

    def read_all(self) -> list[wire.FromEngine]:
        """Everything until the engine hangs up or pauses."""
        found: list[wire.FromEngine] = []
        self.sock.settimeout(1.0)
        try:
            while data := self.sock.recv(1 << 20):
                found += [wire.decode_reply(body) for body in self.deframer.feed(data)]
        except (TimeoutError, ConnectionResetError):
            pass
        return found


def churn(served: Served, step: int) -> None:
    """A snapshot in which much has changed: 300 KB of orders."""
    rows = tuple(msgspec.structs.replace(order_row(n), reason=f"{step} " * 20) for n in range(600))
    served.update(orders=rows)


def test_who_does_not_read_skips_frames_then_gets_a_whole_snapshot(served: Served) -> None:
    slow = Slow(served.directory)
    screens = served.server.screens
    assert screens is not None
    step = 0

    def skipped() -> bool:
        nonlocal step
        step += 1
        churn(served, step)
        time.sleep(0.02)
        return screens.counters["skipped"] >= 1

    until(skipped, "a frame that is left out")
    served.update(halted=True)
    last = served.snapshot
    held: Snapshot | None = None
    kinds: list[str] = []
    for message in slow.read_all():
        if isinstance(message, wire.Whole):
            held = wire.decode_topic("snapshot", message.snapshot)
            kinds.append("whole")
        elif isinstance(message, wire.Change):
            assert held is not None
            held = patched(held, message.frame)
            kinds.append("frame")
    assert held == last
    assert kinds.count("whole") >= 2, kinds
    slow.sock.close()


def test_who_stands_still_is_dropped_and_others_are_served(
    served: Served, links: Callable[..., SocketLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens_module, "DROP_AFTER", 0.5)
    slow = Slow(served.directory)
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    step = 0

    def dropped() -> bool:
        nonlocal step
        step += 1
        churn(served, step)
        time.sleep(0.02)
        return bool(served.seats.left)

    until(dropped, "the drop")
    assert served.seats.left[0][:2] == (1, False)
    assert "did not read for 0.5 s" in served.seats.left[0][2]
    shows(link, lambda: served.snapshot)
    with ControlClient(served.directory) as client:
        assert client.ask("status").mode == "PAPER"
    slow.sock.close()


def test_a_screen_that_vanishes_said_no_goodbye(served: Served) -> None:
    slow = Slow(served.directory)
    until(lambda: served.seats.joined, "it to come")
    slow.sock.close()
    until(lambda: served.seats.left, "it to go")
    assert served.seats.left == [(1, False, "its connection ended without a goodbye")]


def test_the_end_of_the_engine_leaves_nobody_half_connected(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    some = [Slow(served.directory) for _ in range(4)]
    served.run(served.server.close())
    gc.collect()
    assert not any(thread.name == "screens" and thread.is_alive() for thread in threading.enumerate())
    assert "pending" not in caplog.text
    for one in some:
        assert all(not isinstance(message, wire.Problem) for message in one.read_all())
        one.sock.close()
    served.start()


def test_a_screen_reaches_paths_beyond_what_the_kernel_takes(tmp_path: Path) -> None:
    served = Served(tmp_path / ("deep" * 20) / ("er" * 40))
    served.start()
    link = SocketLink(served.directory)
    link.start()
    got: list[Answer] = []
    try:
        until(lambda: link.latest() is not None, "a snapshot")
        link.send(Kill(flatten=False), "desk", got.append)
        until(lambda: len(got) == 2, "both answers")
    finally:
        link.close("seen")
        served.stop()


def test_a_screen_of_another_build_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.link.build_mark", lambda: "another")
    link = SocketLink(served.directory)
    link.start()
    assert "another build" in link.attached(PATIENCE)
    assert "another build" in link.outdated
    link.close(None)
    assert not served.seats.joined


def test_every_process_of_a_build_has_the_same_mark() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", "from engine.control.mark import build_mark; print(build_mark())"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {build_mark()}


def test_no_more_screens_than_there_are_places(served: Served) -> None:
    some = [Slow(served.directory) for _ in range(MAX_SCREENS)]
    until(lambda: len(served.seats.joined) == MAX_SCREENS, "all of them")
    late = Slow(served.directory)
    said = late.read_all()
    assert [m.code for m in said if isinstance(m, wire.Problem)] == ["busy"]
    refused = SocketLink(served.directory)
    refused.start()
    assert refused.attached(PATIENCE) == f"{MAX_SCREENS} screens are attached; close one of them"
    refused.close(None)
    some[0].sock.close()
    until(lambda: served.seats.left, "one to go")
    again = Slow(served.directory)
    until(lambda: len(served.seats.joined) == MAX_SCREENS + 1, "the next")
    for one in (*some, late, again):
        one.sock.close()


@pytest.mark.parametrize("pieces", [1, 3, 10_000])
def test_what_follows_attach_in_the_same_bytes_is_not_lost(served: Served, pieces: int) -> None:
    """The connection changes threads between two messages, wherever the bytes are cut."""
    messages = [
        wire.Hello(version=wire.PROTOCOL),
        wire.Attach(id=1, mark=build_mark()),
        *(wire.Do(id=n, command=Pause(strategy=f"s{n}")) for n in range(40)),
    ]
    data = b"".join(wire.frame(wire.encode(message)) for message in messages)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(wire.socket_path(served.directory)))
    size = max(1, len(data) // pieces)
    for begin in range(0, len(data), size):
        sock.sendall(data[begin : begin + size])
    until(lambda: len(served.commands) == 40, "all commands")
    assert [command.strategy for command, _ in served.commands] == [f"s{n}" for n in range(40)]  # type: ignore[union-attr]
    sock.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"msg":"no"}',
        b"\xff\xfe",
        wire.encode(wire.Hello(version=wire.PROTOCOL)),
        b'{"msg":"ask","id":1,"topic":"status"}',
    ],
)
def test_nonsense_from_a_screen_ends_that_screen_alone(
    served: Served, links: Callable[..., SocketLink], body: bytes
) -> None:
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    bad = Slow(served.directory)
    for _ in range(12):
        with contextlib.suppress(BrokenPipeError):
            bad.sock.sendall(wire.frame(body))
    said = [m.code for m in bad.read_all() if isinstance(m, wire.Problem)]
    assert said and set(said) == {"malformed"}
    bad.sock.close()
    until(lambda: served.seats.left, "it to go")
    served.update(halted=True)
    shows(link, lambda: served.snapshot)
    assert not served.commands


def test_a_message_too_long_to_be_one_ends_that_screen_alone(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    bad = Slow(served.directory)
    bad.sock.sendall((wire.MAX_REQUEST + 1).to_bytes(4, "big"))
    assert [m.code for m in bad.read_all() if isinstance(m, wire.Problem)] == ["too_large"]
    until(lambda: served.seats.left, "it to go")
    served.update(halted=True)
    shows(link, lambda: served.snapshot)


def test_a_flood_of_commands_lets_the_engine_s_loop_breathe(served: Served) -> None:
    turns: list[int] = []
    counted = [0]

    def on_command(_command: object, sink: Callable[[Answer], None]) -> None:
        turns.append(counted[0])
        sink(Answer(ok=True, text="ok"))

    def turn() -> None:
        counted[0] += 1
        served.loop.call_soon(turn)

    served.on_command = on_command
    served.loop.call_soon_threadsafe(turn)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(wire.socket_path(served.directory)))
    messages = [
        wire.Hello(version=wire.PROTOCOL),
        wire.Attach(id=0, mark=build_mark()),
        *(wire.Do(id=n, command=Cancel(order_id=str(n))) for n in range(640)),
    ]
    sock.sendall(b"".join(wire.frame(wire.encode(message)) for message in messages))
    until(lambda: len(served.commands) == 640, "all commands")
    assert [command.order_id for command, _ in served.commands] == [str(n) for n in range(640)]  # type: ignore[union-attr]
    assert max(turns.count(t) for t in set(turns)) <= 2 * screens_module.HANDED_OVER, "few in one turn"
    sock.close()


def test_questions_take_turns_with_everything_else(served: Served) -> None:
    """A screen that asks for everything at once gets it one by one."""
    waiting: list[Callable[[AnyReply], None]] = []
    served.answer = lambda _question, sink: waiting.append(sink)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(wire.socket_path(served.directory)))
    messages = [
        wire.Hello(version=wire.PROTOCOL),
        wire.Attach(id=0, mark=build_mark()),
        *(wire.Query(id=n, question=StoryOf(ident=str(n))) for n in range(1, MAX_ASKED + 2)),
    ]
    sock.sendall(b"".join(wire.frame(wire.encode(message)) for message in messages))
    deframer = wire.Deframer(wire.MAX_REPLY)
    sock.settimeout(PATIENCE)
    got: list[wire.Answered] = []

    def read() -> bool:
        found = [wire.decode_reply(body) for body in deframer.feed(sock.recv(65536))]
        got.extend(message for message in found if isinstance(message, wire.Answered))
        return bool(got)

    until(read, "the one that is too many")
    until(lambda: len(waiting) == 1, "the first of the others")
    assert [message.id for message in got] == [MAX_ASKED + 1]
    for number in range(MAX_ASKED):
        until(lambda n=number: len(waiting) == n + 1, "the next question")
        waiting[-1](StoryTold(ident="x"))
    until(lambda: read() and len(got) == MAX_ASKED + 1, "all answers")
    assert [message.id for message in got[1:]] == list(range(1, MAX_ASKED + 1))
    sock.close()


def test_an_unknown_base_is_mended_with_a_whole_snapshot(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    link._held = (make_snapshot(seq=10**6), time.monotonic())  # as if a frame had been lost
    served.update(halted=True)
    shows(link, lambda: served.snapshot)


def test_a_pending_command_of_a_lost_connection_is_not_taken_for_done(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    served.on_command = lambda _command, sink: sink(Answer(ok=True, text="accepted", final=False))
    link = links()
    until(lambda: link.latest() is not None, "a snapshot")
    got: list[Answer] = []
    link.send(Cancel(order_id="x"), "desk", got.append)
    until(lambda: len(got) == 1, "the first answer")
    served.run(served.server.close())
    until(lambda: len(got) == 2, "the last one")
    assert not got[1].ok and "is not known" in got[1].text
    assert got[1].data == {"outcome": "unknown"}
    until(lambda: not link.alive(), "the engine to be seen gone")
    link.send(Cancel(order_id="y"), "desk", got.append)
    until(lambda: len(got) == 3, "the refusal")
    assert got[2].data == {"outcome": "not sent"}
    served.start()
    until(lambda: link.alive(), "the engine again")


def test_the_kill_line_is_open_again_before_it_is_needed(
    served: Served, links: Callable[..., SocketLink]
) -> None:
    links()
    until(lambda: served.server.clients == 1, "the line")
    served.run(served.server.close())
    served.start()
    until(lambda: served.server.clients == 1, "the line again, with nothing to send")
    assert not served.commands
