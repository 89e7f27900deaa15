"""Answers to questions are made on a thread of their own: order, bounds and ends stay as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_harness import Raw, Served, make_snapshot, until

from engine.control import pieces, wire
from engine.control.client import ControlClient
from engine.control.commands import Cancel, Kill


class Held:
    """The making of answers, stopped until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.threads: set[str] = set()
        real = pieces.encode

        def encode(value: object) -> bytes:
            self.threads.add(threading.current_thread().name)
            self.begun.set()
            assert self.go.wait(20)
            return real(value)

        monkeypatch.setattr(pieces, "encode", encode)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(monkeypatch)
    yield held
    held.go.set()


def ask(number: int, topic: wire.Topic = "orders") -> bytes:
    return wire.frame(wire.encode(wire.Ask(id=number, topic=topic)))


def test_a_long_answer_keeps_neither_the_loop_nor_a_kill(served: Served, held: Held) -> None:
    asking = Raw(served.server.path)
    asking.sock.sendall(ask(1))
    assert held.begun.wait(20)
    with ControlClient(served.directory) as other:
        assert other.command(Kill()).ok
    assert [type(command) for command, _ in served.commands] == [Kill]
    held.go.set()
    assert isinstance(asking.read(), wire.Picture)
    assert [name.partition("_")[0] for name in held.threads] == ["answers"]


def test_a_client_is_answered_in_the_order_of_its_messages(served: Served, held: Held) -> None:
    raw = Raw(served.server.path)
    command = wire.frame(wire.encode(wire.Do(id=2, command=Cancel(order_id="x"))))
    raw.sock.sendall(ask(1) + command + ask(3, "status") + ask(4) + b"\xff\xff\xff\xff")
    assert held.begun.wait(20)
    assert not served.commands, "it waits for the answer before it"
    held.go.set()
    answers = [raw.read() for _ in range(6)]
    assert [getattr(answer, "id", None) for answer in answers] == [1, 2, 2, 3, 4, 0]
    assert isinstance(answers[-1], wire.Problem) and answers[-1].code == "too_large"
    assert raw.read() is None


def test_an_answer_is_of_the_picture_that_was_newest_when_it_was_asked_for(
    served: Served, held: Held
) -> None:
    first, second = Raw(served.server.path), Raw(served.server.path)
    first.sock.sendall(ask(1))
    assert held.begun.wait(20)
    served.update(orders=())
    second.sock.sendall(ask(1))
    until(lambda: served.server.counters["questions"] == 2, "the second question")
    held.go.set()
    one, other = first.read(), second.read()
    assert isinstance(one, wire.Picture) and isinstance(other, wire.Picture)
    assert (one.seq, other.seq, bytes(other.data)) == (1, 2, b"[]")
    assert b"manual-0" in bytes(one.data)


def test_who_leaves_before_his_answer_is_made_disturbs_nobody(served: Served, held: Held) -> None:
    raw = Raw(served.server.path)
    raw.sock.sendall(ask(1))
    assert held.begun.wait(20)
    raw.sock.close()
    until(lambda: served.server.clients == 0, "its end")
    held.go.set()
    with ControlClient(served.directory) as client:
        assert client.ask("orders") == make_snapshot().orders
    assert not served.reports


def test_an_answer_that_is_being_made_at_the_end_is_sent(tmp_path: Path, held: Held) -> None:
    served = Served(tmp_path)
    served.start()
    raw = Raw(served.server.path)
    raw.sock.sendall(ask(1))
    assert held.begun.wait(20)
    threading.Timer(0.1, held.go.set).start()
    served.stop()
    assert isinstance(raw.read(), wire.Picture)
    assert raw.read() is None


def test_an_answer_that_cannot_be_made_is_a_problem_of_that_question(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(pieces, "encode", lambda _value: 1 / 0)
        raw = Raw(served.server.path)
        raw.sock.sendall(ask(1))
        reply = raw.read()
        assert isinstance(reply, wire.Problem) and (reply.id, reply.code) == (1, "internal")
    raw.sock.sendall(ask(2))
    assert isinstance(raw.read(), wire.Picture)
    assert served.server.counters["errors"] == 1
