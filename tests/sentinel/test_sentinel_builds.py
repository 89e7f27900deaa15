"""Engine and sentinel of different builds: whoever does not understand the other makes room, and no engine
that lives is acted against."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.drill.processes import ROOT, end_sentinel, short_folder, wait_for
from app.options import RunOptions
from app.paths import journal_path, sentinel_journal_path, sentinel_socket
from app.sentinel.asking import ask, lease_of
from app.sentinel.build import build_mark
from app.sentinel.post import SentinelPost
from engine.control.wire import reachable
from engine.journal.files import InstanceLock
from engine.sentinel.lease import Holder
from engine.sentinel.machine import Phase
from engine.sentinel.messages import FORMAT, Beat, Goodbye, Said, heard, line, said
from tests.sentinel.posts import reached, told_of_a_squatter

NEWER = b'{"say":"beat","n":1,"epoch":1,"seq":1,"mood":"calm"}'


def test_what_a_newer_build_adds_is_passed_over() -> None:
    assert heard(NEWER) == Beat(n=1, epoch=1, seq=1)
    answer = msgspec.to_builtins(Said(phase=Phase.IDLE, policy="alert", pid=1, format=FORMAT))
    assert said(json.dumps({**answer, "mood": "calm"}).encode()).format == FORMAT
    assert said(b'{"phase":"idle","policy":"alert","pid":1}').format == 1, "before it was numbered"


def test_words_that_are_not_known_are_refused() -> None:
    for text in (b'{"say":"sing","tune":1}', b'{"say":"beat","n":"one","epoch":1,"seq":1}'):
        with pytest.raises(msgspec.MsgspecError):
            heard(text)


@pytest.fixture
def state() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder / "state"
        end_sentinel(folder / "state")


def sentinel(state: Path, policy: str = "cancel") -> subprocess.Popen[bytes]:
    """A real one, which nothing has spoken to yet."""
    state.mkdir(exist_ok=True)
    config = state / "breakwater.toml"
    config.write_text(f'strategies = []\n[sentinel]\npolicy = "{policy}"\nafter = 5\n')
    command = [sys.executable, "-m", "app.cli", "sentinel", "--spawned", "--state-dir", str(state)]
    command += ["--feed", f"exchange:{state / 'none.sock'}", "--config", str(config)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: ask(state) is not None, "a sentinel that answers")
    return process


class Line:
    """What an engine of another build says."""

    def __init__(self, state: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        with reachable(sentinel_socket(state)) as address:
            self.socket.connect(address)

    def say(self, text: bytes) -> bytes:
        self.socket.sendall(text + b"\n")
        return self.socket.recv(65_536)


@pytest.mark.slow
def test_a_newer_engine_whose_words_are_known_is_watched(state: Path) -> None:
    process = sentinel(state)
    answer = said(Line(state).say(NEWER).splitlines()[0])
    assert (answer.phase, answer.format, answer.build) == (Phase.WATCHING, FORMAT, build_mark())
    process.terminate()
    process.wait(10)


@pytest.mark.slow
def test_a_newer_engine_whose_words_are_not_known_is_left_alone(state: Path) -> None:
    """It was watching an older engine, which is gone; the newer one must not be fenced for its silence."""
    process = sentinel(state)
    wire = Line(state)
    assert said(wire.say(line(Beat(n=1, epoch=1, seq=1)).strip()).splitlines()[0]).phase is Phase.WATCHING
    with InstanceLock.exclusive(journal_path(state)):  # as the engine has it
        assert wire.say(b'{"say":"sing","tune":1}') == b"", "the connection ends"
        process.wait(20)
    lease = lease_of(state)
    assert lease is None or lease.holder is not Holder.SENTINEL
    assert ask(state) is None


@pytest.mark.slow
def test_words_of_who_is_no_engine_change_nothing(state: Path) -> None:
    """Any program of the same user can find the socket; who guards is not sent away by it."""
    process = sentinel(state)
    wire = Line(state)
    assert said(wire.say(line(Beat(n=1, epoch=1, seq=1)).strip()).splitlines()[0]).phase is Phase.WATCHING
    assert Line(state).say(b"hello?") == b""
    answer = ask(state)
    assert answer is not None and answer.phase is Phase.WATCHING and process.poll() is None
    process.terminate()
    process.wait(10)


BEFORE = '{"phase":"watching","policy":"flatten","pid":1}'
OLD = """
import asyncio, json, os, signal, sys
from pathlib import Path
from app.paths import journal_path, sentinel_journal_path, sentinel_socket
from engine.control.wire import reachable
from engine.journal.files import InstanceLock
state, answer, stays = Path(sys.argv[1]), sys.argv[2].encode(), sys.argv[3] == "stays"
lock = InstanceLock.exclusive(sentinel_journal_path(state))

async def serve(reader, writer):
    while text := await reader.readline():
        if b"goodbye" in text and not stays:
            os._exit(0)
        writer.write(answer + b"\\n")

async def main():
    with reachable(sentinel_socket(state)) as address:
        server = await asyncio.start_unix_server(serve, address)
    print("ready", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("answer", [BEFORE, '{"phase":"dreaming"}'])
@pytest.mark.parametrize("stays", ["leaves", "stays"])
def test_an_engine_ends_only_the_process_that_is_the_sentinel(state: Path, answer: str, stays: str) -> None:
    """One of an older format, by numbers or by words: it goes when it is told, or is ended by its pid."""
    state.mkdir()
    command = [sys.executable, "-c", OLD, str(state), answer, stays]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.stdout.close()

    async def script() -> tuple[list[Any], str]:
        options = RunOptions(state_dir=state, config=None, feed="exchange:x.sock")
        post = SentinelPost(options, "flatten", 5.0, lambda *_, **__: None)
        answered = asyncio.Event()
        told: list[Any] = []

        def hears(what: Any) -> None:
            told.append(what)
            answered.set()

        post.bind(hears, hears)
        await reached(post)
        post.send(Beat(n=1, epoch=1, seq=1))
        await answered.wait()
        await reached(post)  # what could not be read has ended the connection
        post.send(Goodbye(reason="it is of another build"))
        if stays == "leaves":
            await asyncio.to_thread(process.wait, 10)
        ended = post.end(by_force=False)
        await post.close()
        return told, ended

    try:
        told, ended = asyncio.run(script())
        assert len(told) == 1 and (isinstance(told[0], str) or told[0].format == 1)
        if stays == "stays":
            assert ended == f"process {process.pid} is ended"
        process.wait(10)
        with InstanceLock.exclusive(sentinel_journal_path(state)):
            pass
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_process_that_only_sits_on_the_socket_is_not_ended(state: Path) -> None:
    """It answers, and has no sentinel's journal: whoever that is, it is not ours to end."""
    state.mkdir()

    assert asyncio.run(told_of_a_squatter(state)) == (
        f"process {os.getpid()} answers and has no sentinel's journal"
    )
