"""Whose the control socket is: other users, second engines, killed and stopped ones, strange directories."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from control_harness import Served

from engine.control import wire
from engine.control.client import ControlClient, Unreachable
from engine.control.directory import UnsafeDirectory
from engine.control.peer import socket_holder
from engine.control.server import AlreadyRunning, ControlServer

_FOREIGN = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX); s.settimeout(20)
try:
    s.connect(sys.argv[1])
except PermissionError:
    print("kept out"); sys.exit()
try:
    print("heard" if s.recv(1) else "hung up")
except ConnectionResetError:
    print("hung up")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_user_is_kept_out_by_the_file_and_by_the_kernel_s_word(served: Served) -> None:
    def knock() -> str:
        ran = subprocess.run(
            [sys.executable, "-S", "-c", _FOREIGN, str(short / wire.SOCKET_NAME)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return ran.stdout.strip()

    # pytest's own directories keep others out as well: reach the socket by a path that they may walk
    short = Path(f"/tmp/breakwater-test-{os.getpid()}")
    served.directory.rename(short)
    try:
        assert knock() == "kept out"
        short.chmod(0o755)
        assert knock() == "kept out"
        (short / wire.SOCKET_NAME).chmod(0o666)
        assert knock() == "hung up"
    finally:
        short.rename(served.directory)
    assert served.server.counters["refused_peers"] == 1
    assert "uid 65534" in served.reports[0][1]


def test_a_second_engine_is_refused(served: Served) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from engine.control.server import ControlServer\n"
        "s = ControlServer(Path(sys.argv[1]), snapshot=lambda: None, command=lambda *a: None)\n"
        "try: asyncio.run(s.start())\n"
        "except Exception as e: print(type(e).__name__, e)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(served.directory)], capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.startswith("AlreadyRunning"), ran
    assert f"process {os.getpid()} listens" in ran.stdout
    with ControlClient(served.directory) as client:
        assert client.ask("status").mode == "PAPER"


def test_a_second_engine_in_the_same_process_is_refused(served: Served) -> None:
    async def again() -> None:
        await ControlServer(served.directory, snapshot=lambda: None, command=lambda *a: None).start()

    with pytest.raises(AlreadyRunning, match="listens on"):
        asyncio.run(again())
    with ControlClient(served.directory) as client:
        assert client.ask("status").mode == "PAPER"


def test_the_socket_of_a_killed_engine_is_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    program = (
        "import asyncio, sys, os; from pathlib import Path\n"
        "from engine.control.server import ControlServer\n"
        "async def go():\n"
        "    s = ControlServer(Path(sys.argv[1]), snapshot=lambda: None, command=lambda *a: None)\n"
        "    await s.start()\n"
        "    if os.fork() == 0:\n"  # a child that outlives the engine and keeps the listening socket open
        "        import time; time.sleep(60); os._exit(0)\n"
        "    print('up', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(go())\n"
    )
    engine = subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"up\n"
        assert socket_holder(wire.socket_path(directory)) == engine.pid
        engine.kill()
        engine.wait(20)
        assert socket_holder(wire.socket_path(directory)) is None
        assert wire.socket_path(directory).exists()
        orphaned = ControlClient(directory)
        with pytest.raises(Unreachable, match="stuck or gone"):
            orphaned.connect(within=0.2)
        harness = Served(directory)
        harness.start()
        with ControlClient(directory) as client:
            assert client.ask("status").mode == "PAPER"
        harness.stop()
        assert not wire.socket_path(directory).exists()
    finally:
        os.killpg(engine.pid, 9)
        engine.stdout.close()


def test_a_stopped_engine_still_owns_its_socket(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from engine.control.server import ControlServer\n"
        "async def go():\n"
        "    s = ControlServer(Path(sys.argv[1]), snapshot=lambda: None, command=lambda *a: None)\n"
        "    await s.start(); print('up', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(go())\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE)
    assert engine.stdout is not None
    try:
        assert engine.stdout.readline() == b"up\n"
        engine.send_signal(signal.SIGSTOP)
        second = Served(directory)
        with pytest.raises(AlreadyRunning, match=f"process {engine.pid} "):
            second.start()
        with pytest.raises(Unreachable, match="Act at the broker directly"):
            ControlClient(directory).connect(within=0.2)
        second.loop.call_soon_threadsafe(second.loop.stop)
    finally:
        engine.kill()
        engine.wait(20)
        engine.stdout.close()


def test_closing_leaves_nothing_behind_and_tells_the_clients(tmp_path: Path) -> None:
    harness = Served(tmp_path / "state")
    harness.start()
    with ControlClient(harness.directory) as client:
        client.ask("status")
        harness.stop()
        with pytest.raises(Unreachable, match=r"closed the connection|broke"):
            client.ask("status")
    assert not wire.socket_path(harness.directory).exists()
    with pytest.raises(Unreachable, match="breakwater headless"):
        ControlClient(harness.directory).connect()


def test_a_foreign_or_loose_directory(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o755)
    harness = Served(loose)
    harness.start()
    assert stat.S_IMODE(loose.stat().st_mode) == 0o700
    harness.stop()
    (tmp_path / "file").write_text("")
    broken = Served(tmp_path / "file")
    with pytest.raises(UnsafeDirectory, match="no directory"):
        broken.start()
    broken.stop()


def test_paths_beyond_what_the_kernel_takes(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    harness = Served(deep)
    harness.start()
    with ControlClient(deep) as client:
        assert client.ask("status").mode == "PAPER"
    harness.stop()
    assert not wire.socket_path(deep).exists()
