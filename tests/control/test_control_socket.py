"""The control socket between real processes: who may speak, what is answered, and who gets dropped."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from control_harness import Raw, Served, make_snapshot, order_row

from engine.control import wire
from engine.control.client import ControlClient, NoAnswer, Refused, Unreachable
from engine.control.commands import Answer, Cancel, Kill, Submit
from engine.control.conversation import MAX_MALFORMED, PER_TURN
from engine.control.server import MAX_CLIENTS
from engine.model import Side


def test_socket_and_directory_are_ours_alone(served: Served) -> None:
    assert stat.S_IMODE(served.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(served.server.path.stat().st_mode) == 0o600
    assert stat.S_ISSOCK(served.server.path.stat().st_mode)


def test_every_topic_is_answered_exactly(served: Served) -> None:
    with ControlClient(served.directory) as client:
        assert client.welcome is not None
        assert client.welcome.pid == os.getpid()
        assert client.welcome.account == "PAPER"
        assert client.ask("snapshot") == served.snapshot
        for topic in ("orders", "positions", "risk", "alerts", "health", "strategies", "kill"):
            assert client.ask(topic) == getattr(served.snapshot, topic)
        status = client.ask("status")
        assert status.equity == Decimal("100000.123456789012345678")
        assert (status.working, status.unknown, status.open_positions, status.drift, status.alerts) == (
            2,
            1,
            1,
            1,
            1,
        )


def test_a_new_snapshot_is_seen_and_the_same_one_is_encoded_once(served: Served) -> None:
    with ControlClient(served.directory) as client:
        first = client.ask_raw("orders")
        assert client.ask_raw("orders") == first
        served.update(orders=(order_row(7),))
        assert [o.id for o in client.ask("orders")] == ["manual-7"]


def test_before_the_first_picture_the_engine_says_so(served: Served) -> None:
    served.snapshot = None
    with ControlClient(served.directory) as client, pytest.raises(Refused, match="starting"):
        client.ask("status")


def test_a_command_carries_who_asked_and_is_answered_twice(served: Served) -> None:
    heard: list[Answer] = []
    with ControlClient(served.directory, tty="pts/3; rm\x1b[2J") as client:
        final = client.command(
            Submit(symbol="ES", side=Side.BUY, size=Decimal("0.1"), limit=Decimal("4800.25")),
            on_answer=heard.append,
        )
    assert [a.text for a in heard] == ["accepted"]
    assert final.text == "Submit done"
    assert final.data == {"order_id": "manual-9"}
    command, who = served.commands[0]
    assert isinstance(command, Submit)
    assert command.limit == Decimal("4800.25")
    assert f"uid={os.geteuid()} pid={os.getpid()}" in who
    assert "@pts/3rm2J " in who


def test_answers_may_come_late_and_from_another_thread(served: Served) -> None:
    served.on_command = lambda _c, sink: sink(Answer(ok=True, text="accepted", final=False))
    with ControlClient(served.directory) as client:
        request = client.start(Kill())
        assert served.arrived.wait(20)
        client.ask("status")
        answerer = threading.Thread(target=served.sinks[0], args=(Answer(ok=True, text="flat"),))
        answerer.start()
        answerer.join()
        first, last = client.receive(20), client.receive(20)
    assert isinstance(first, wire.Reply)
    assert not first.answer.final
    assert isinstance(last, wire.Reply)
    assert (last.id, last.answer.text) == (request, "flat")


def test_no_final_answer_is_not_taken_for_done(served: Served) -> None:
    served.on_command = lambda _c, sink: sink(Answer(ok=True, text="accepted", final=False))
    with ControlClient(served.directory) as client, pytest.raises(NoAnswer, match="look with"):
        client.command(Cancel(order_id="x"), within=0.05)


def test_a_client_that_leaves_does_not_take_its_command_along(served: Served) -> None:
    served.on_command = lambda _c, _sink: None
    client = ControlClient(served.directory)
    client.connect()
    client.start(Kill())
    assert served.arrived.wait(20)
    client.close()
    with ControlClient(served.directory) as other:
        other.ask("status")
        served.loop.call_soon_threadsafe(served.sinks[0], Answer(ok=True, text="flat"))
        assert other.ask("status").mode == "PAPER"


def test_an_error_in_a_command_ends_neither_socket_nor_silence(served: Served) -> None:
    def broken(_command: object, _sink: object) -> None:
        raise RuntimeError("boom")

    served.on_command = broken
    with ControlClient(served.directory) as client:
        with pytest.raises(Refused, match="boom"):
            client.command(Cancel(order_id="x"))
        assert client.ask("status").mode == "PAPER"
    assert served.server.counters["errors"] == 1
    assert served.reports == [("errors", "Cancel: RuntimeError('boom')")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"msg":"nothing"}',
        b'{"msg":"ask","id":1,"topic":"passwords"}',
        b'{"msg":"do","id":1,"command":{"command":"launch"}}',
        b'{"msg":"do","id":1,"command":{"command":"cancel","order_id":"x","force":true}}',
        b'{"msg":"do","id":1,"command":{"command":"submit","symbol":"ES","side":"B","size":"NaN"}}',
        b'{"msg":"do","id":1,"command":{"command":"submit","symbol":"ES","side":"B","size":"1e9999999999"}}',
    ],
)
def test_garbage_is_answered_counted_and_reaches_nobody(served: Served, body: bytes) -> None:
    raw = Raw(served.server.path)
    raw.send(body)
    reply = raw.read()
    assert isinstance(reply, wire.Problem)
    assert reply.code == "malformed"
    raw.send(b'{"msg":"ask","id":2,"topic":"status"}')
    assert isinstance(raw.read(), wire.Picture)
    assert served.server.counters["malformed"] == 1
    assert served.commands == []


def test_who_sends_only_garbage_is_dropped(served: Served) -> None:
    raw = Raw(served.server.path)
    for _ in range(MAX_MALFORMED):
        raw.send(b"{")
    replies = [raw.read() for _ in range(MAX_MALFORMED)]
    assert all(isinstance(r, wire.Problem) for r in replies)
    assert raw.read() is None


def test_too_large_a_message_is_refused_by_its_length(served: Served) -> None:
    raw = Raw(served.server.path)
    raw.sock.sendall((wire.MAX_REQUEST + 1).to_bytes(4, "big"))
    reply = raw.read()
    assert isinstance(reply, wire.Problem)
    assert reply.code == "too_large"
    assert raw.read() is None


def test_a_command_before_hello_is_not_carried_out(served: Served) -> None:
    raw = Raw(served.server.path, greet=False)
    raw.send(wire.encode(wire.Do(id=1, command=Kill())))
    reply = raw.read()
    assert isinstance(reply, wire.Problem)
    assert reply.code == "hello"
    assert raw.read() is None
    assert served.commands == []


def test_another_version_is_told_what_to_do(served: Served) -> None:
    raw = Raw(served.server.path, greet=False)
    raw.send(wire.encode(wire.Hello(version=wire.PROTOCOL + 1)))
    reply = raw.read()
    assert isinstance(reply, wire.Problem)
    assert (reply.code, "same installation" in reply.text) == ("version", True)
    assert raw.read() is None


def test_who_does_not_read_is_dropped_and_others_are_served(served: Served) -> None:
    served.snapshot = make_snapshot(orders=2000)
    slow = Raw(served.server.path)
    with ControlClient(served.directory) as client:
        for n in range(60):
            try:
                slow.send(wire.encode(wire.Ask(id=n + 1, topic="orders")))
            except BrokenPipeError:
                break
            client.ask("status")
        assert len(client.ask("orders")) == 2000
        assert served.server.counters["dropped_slow"] == 1
        assert served.server.clients == 1


def test_a_flood_of_commands_lets_the_loop_breathe(served: Served) -> None:
    turns: list[int] = []

    def on_command(_command: object, sink: Callable[[Answer], None]) -> None:
        turns.append(counted[0])
        sink(Answer(ok=True, text="ok"))

    counted = [0]

    def turn() -> None:
        counted[0] += 1
        served.loop.call_soon(turn)

    served.on_command = on_command
    served.loop.call_soon_threadsafe(turn)
    raw = Raw(served.server.path)
    flood = b"".join(
        wire.frame(wire.encode(wire.Do(id=n, command=Cancel(order_id="x")))) for n in range(1, 641)
    )
    raw.sock.sendall(flood)
    answers = [raw.read() for _ in range(640)]
    assert [a.id for a in answers if isinstance(a, wire.Reply)] == list(range(1, 641))
    assert max(turns.count(t) for t in set(turns)) <= PER_TURN


def test_what_came_before_a_broken_frame_is_still_handled(served: Served) -> None:
    raw = Raw(served.server.path)
    good = wire.frame(wire.encode(wire.Do(id=1, command=Cancel(order_id="x"))))
    raw.sock.sendall(good * (PER_TURN + 3) + b"\xff\xff\xff\xff")
    answers = [raw.read() for _ in range(2 * (PER_TURN + 3))]
    assert all(isinstance(a, wire.Reply) for a in answers)
    last = raw.read()
    assert isinstance(last, wire.Problem)
    assert last.code == "too_large"
    assert raw.read() is None


# engine/control/server.py: connections that a script had forgotten kept later clients out, a kill included.
def test_a_kill_gets_in_however_many_connections_were_forgotten(served: Served) -> None:
    forgotten = [Raw(served.server.path) for _ in range(MAX_CLIENTS)]
    forgotten[0].send(wire.encode(wire.Ask(id=1, topic="status")))
    assert isinstance(forgotten[0].read(), wire.Picture), "this one is not silent"
    with ControlClient(served.directory) as client:
        assert client.command(Kill()).ok
        reply = forgotten[1].read()
        assert isinstance(reply, wire.Problem) and reply.code == "busy"
        assert forgotten[1].read() is None, "the longest silent one made room"
        forgotten[0].send(wire.encode(wire.Ask(id=2, topic="status")))
        assert isinstance(forgotten[0].read(), wire.Picture)
    assert served.server.counters["dropped_other"] == 1
    crowd = [Raw(served.server.path) for _ in range(2 * MAX_CLIENTS)]
    assert served.server.clients <= MAX_CLIENTS
    assert len(crowd) == 2 * MAX_CLIENTS


# engine/control/client.py: with a socket that does not block, a full queue of clients that wait to be
# accepted was taken for a stuck engine at once, without waiting for it.
def test_a_client_waits_its_turn_to_be_accepted(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(wire.socket_path(tmp_path)))
        engine.listen(1)
        ahead = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for one in ahead:
            one.connect(str(wire.socket_path(tmp_path)))
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"nothing accepts within 0\.5 s"):
            ControlClient(tmp_path).connect(0.5)
        assert time.monotonic() - began >= 0.5

        def answer() -> None:
            for _ in range(3):
                sock, _ = engine.accept()
                sock.sendall(wire.frame(wire.encode(wire.Welcome(version=wire.PROTOCOL, pid=7))))
                taken.append(sock)

        taken: list[socket.socket] = []
        late = threading.Timer(0.3, answer)
        late.start()
        client = ControlClient(tmp_path)
        assert client.connect(10).pid == 7
        late.join()
        for sock in (client, *ahead, *taken):
            sock.close()


def test_unknown_messages_of_the_engine_are_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / wire.SOCKET_NAME
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def speak() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(wire.frame(b'{"msg":"party"}'))
            peer.recv(1000)

    speaker = threading.Thread(target=speak)
    speaker.start()
    with pytest.raises(Unreachable, match="same installation"):
        ControlClient(tmp_path).connect()
    speaker.join(20)
    listener.close()


def test_msgspec_raw_data_is_the_topic_s_json(served: Served) -> None:
    with ControlClient(served.directory) as client:
        assert client.ask_raw("positions") == msgspec.json.encode(served.snapshot.positions)  # type: ignore[union-attr]
