"""The log as its readers find it: whole lines, fixed keys, no secrets, bounded size, and never in the way."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from app import logs
from app.logsink import SCHEMA, STARS, FileSink, Renderer
from engine.model import ExecutionKey
from tests.effort import effort


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    logs.shutdown()
    root.handlers[:] = before
    logging.captureWarnings(False)


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_line_has_the_same_keys_first(tmp_path: Path) -> None:
    file = tmp_path / "log" / "x.jsonl"
    writer = logs.configure(file=file, now=lambda: 1_700_000_000_000_000_001)
    logs.get("gate").warning("refused", order_id="meanrev-1", price=Decimal("4800.25"), correlation_id="c1")
    logs.engine_log()("info", "sent", component="intake", ts=5, broker_id="B1", attempt=2)
    logs.get("gate").info("nothing else")
    assert writer.flush()
    first, second, third = read(file)
    for row in (first, second, third):
        assert tuple(row)[: len(SCHEMA)] == SCHEMA
    assert first["timestamp"] == "2023-11-14T22:13:20.000000001Z"
    assert (first["component"], first["level"], first["event"]) == ("gate", "warning", "refused")
    assert (first["order_id"], first["price"], first["correlation_id"]) == ("meanrev-1", "4800.25", "c1")
    assert second["timestamp"] == "1970-01-01T00:00:00.000000005Z"
    assert (second["component"], second["broker_id"], second["attempt"]) == ("intake", "B1", 2)
    assert third["order_id"] is None


def test_files_and_directory_are_private(tmp_path: Path) -> None:
    file = tmp_path / "log" / "x.jsonl"
    logs.configure(file=file)
    logs.get("a").info("b")
    logs.shutdown()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_levels(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    writer = logs.configure(file=file, level="warning")
    for level in ("debug", "info", "warning", "error", "critical"):
        logs.engine_log()(level, level)
        getattr(logs.get("x"), level)(level + "!")
    writer.flush()
    assert [r["event"] for r in read(file)] == [
        "warning",
        "warning!",
        "error",
        "error!",
        "critical",
        "critical!",
    ]


def test_no_secret_by_name_type_or_value(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    writer = logs.configure(file=file, secrets=("hunter2-hunter2",))
    log = logs.get("broker")
    log.info(
        "login with hunter2-hunter2",
        password="pw-1",
        api_key="key-1",
        token="tok-1",
        Authorization="Bearer tok-2",
        wrapped=SecretStr("inner-1"),
        nested={"client_secret": "sec-1", "list": [{"passphrase": "sec-2"}, "x hunter2-hunter2 y"]},
        error=ValueError("bad hunter2-hunter2"),
        key="key-2",
    )
    try:
        raise RuntimeError("could not log in with hunter2-hunter2")
    except RuntimeError:
        log.exception("failed")
    writer.flush()
    text = file.read_text()
    for leaked in ("hunter2", "pw-1", "key-1", "key-2", "tok-1", "tok-2", "inner-1", "sec-1", "sec-2"):
        assert leaked not in text, leaked
    row, failed = read(file)
    assert row["event"] == f"login with {STARS}"
    assert row["nested"] == {"client_secret": STARS, "list": [{"passphrase": STARS}, f"x {STARS} y"]}
    assert "RuntimeError" in str(failed["exc_info"])


def test_what_is_no_secret_stays(tmp_path: Path) -> None:
    row = json.loads(
        Renderer().line({"tokens": 4.5, "exec_key": ("X", "A", "d", "1"), "monkey": "m", "ts": 1})
    )
    assert (row["tokens"], row["exec_key"], row["monkey"]) == (4.5, ["X", "A", "d", "1"], "m")


def test_rotation_tears_nothing_and_keeps_what_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    sink = FileSink(file, rotate_bytes=1_000, keep=3)
    lines = [json.dumps({"n": n, "pad": "p" * (n % 90)}).encode() + b"\n" for n in range(300)]
    for line in lines:
        sink.write(line)
    sink.close()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["x.jsonl", "x.jsonl.1", "x.jsonl.2"]
    kept = b"".join((tmp_path / n).read_bytes() for n in ("x.jsonl.2", "x.jsonl.1", "x.jsonl"))
    assert b"".join(lines).endswith(kept)
    assert all(p.stat().st_size <= 1_000 for p in tmp_path.iterdir())
    assert (tmp_path / "x.jsonl.1").stat().st_size > 800


def test_one_file_only(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "x", rotate_bytes=100, keep=1)
    for n in range(100):
        sink.write(b"%09d\n" % n)
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == [] or (tmp_path / "x").stat().st_size <= 100


def test_a_line_longer_than_a_file_is_written_all_the_same(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "x", rotate_bytes=100, keep=3)
    for line in (b"a\n", b"b" * 500 + b"\n", b"c\n"):
        sink.write(line)
    sink.close()
    assert (tmp_path / "x").read_bytes() == b"c\n"
    assert (tmp_path / "x.1").read_bytes() == b"b" * 500 + b"\n"
    assert (tmp_path / "x.2").read_bytes() == b"a\n"


def test_a_line_that_a_crash_tore_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b'{"whole":1}\n{"torn":')
    sink = FileSink(file, 10_000, 2)
    sink.write(b'{"next":1}\n')
    sink.close()
    assert file.read_bytes() == b'{"whole":1}\n{"torn":\n{"next":1}\n'


def test_a_full_disk_is_counted_and_raises_nothing(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path; from app.logsink import FileSink\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY))\n"
        "sink = FileSink(Path(sys.argv[1]), 10_000, 2)\n"
        "for _ in range(4): sink.write(b'123456789\\n'); sink.flush()\n"
        "print(sink.failures)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "sink.write(b'again\\n'); sink.close()\n"
    )
    file = tmp_path / "x"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("2\n", "")
    assert file.read_bytes() == b"123456789\n123456789\n12345\nagain\n"


def test_what_does_not_fit_is_counted_and_said(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    sink = _Gate(FileSink(file, 10**6, 2))
    writer = logs.LogWriter(Renderer(), [sink], lossless=False, max_waiting=10)
    writer.put({"event": "first", "ts": 1})
    assert sink.busy.wait(20)  # the writer is in the middle of the first line
    for n in range(25):
        writer.put({"event": str(n), "ts": 1})
    assert writer.dropped == 15
    sink.open.set()
    writer.close(20)
    rows = read(file)
    assert [r["event"] for r in rows[:11]] == ["first", *map(str, range(10))]
    assert rows[11]["dropped"] == 15
    assert "dropped" in str(rows[11]["event"])


def test_what_comes_after_a_calm_is_gathered_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order's line must not be rendered while the order is on its way."""
    pauses: list[float] = []
    in_pause, on = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        in_pause.set()
        on.wait(10)

    monkeypatch.setattr("app.logs.time.sleep", pause)
    sink = _Gate(FileSink(tmp_path / "x.jsonl", 10**6, 2))
    sink.open.set()
    writer = logs.LogWriter(Renderer(), [sink], lossless=False)
    writer.put({"event": "one"})
    assert in_pause.wait(20)
    assert not sink.busy.is_set(), "nothing is written yet"
    writer.put({"event": "two"})
    on.set()
    assert writer.flush(20)
    assert [row["event"] for row in read(tmp_path / "x.jsonl")] == ["one", "two"]
    assert pauses == [logs.GATHERED]
    writer.close(20)


def test_lossless_waits_instead(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    sink = _Gate(FileSink(file, 10**8, 2))
    writer = logs.LogWriter(Renderer(), [sink], lossless=True, max_waiting=10)

    def fill() -> None:
        for n in range(500):
            writer.put({"event": str(n), "ts": 1})

    caller = threading.Thread(target=fill)
    caller.start()
    assert sink.busy.wait(20)
    sink.open.set()
    caller.join(20)
    writer.close(20)
    assert writer.dropped == 0
    assert [r["event"] for r in read(file)] == [str(n) for n in range(500)]


class _Gate:
    """A sink that is stuck until it is opened."""

    def __init__(self, inner: FileSink) -> None:
        self.inner = inner
        self.failures = 0
        self.busy = threading.Event()
        self.open = threading.Event()

    def write(self, line: bytes) -> None:
        self.busy.set()
        assert self.open.wait(20)
        self.inner.write(line)

    def flush(self) -> None:
        self.inner.flush()

    def close(self) -> None:
        self.inner.close()


def test_libraries_log_into_the_same_file_and_not_to_stderr(tmp_path: Path) -> None:
    program = (
        "import logging, sys, warnings; from pathlib import Path; from app import logs\n"
        "logs.configure(file=Path(sys.argv[1]))\n"
        "logging.getLogger('asyncio').error('loop %s', 'closed')\n"
        "warnings.warn('old')\n"
        "logs.get('x').error('ours')\n"
    )
    file = tmp_path / "x.jsonl"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    events = [(r["component"], r["event"]) for r in read(file)]
    assert ("asyncio", "loop closed") in events
    assert ("x", "ours") in events
    assert any(c == "py.warnings" for c, _ in events)


def test_standard_output_in_json_and_a_reader_that_leaves(tmp_path: Path) -> None:
    program = (
        "from app import logs\n"
        "logs.configure(stdout=True)\n"
        "for n in range(20000): logs.get('x').info('line', n=n)\n"
        "logs.shutdown(20)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        errors = process.stderr.read()
    assert first["event"] == "line"
    assert b"Traceback" not in errors


jsonish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.frozensets(st.text()),
    max_leaves=10,
)


@settings(max_examples=effort(60, 1_000), deadline=None)
@given(st.dictionaries(st.text(max_size=12), jsonish, max_size=6))
def test_whatever_is_logged_is_one_line_of_json(fields: dict[str, object]) -> None:
    line = Renderer(("geheim",)).line(fields)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    row = json.loads(line)
    assert tuple(row)[: len(SCHEMA)] == SCHEMA


def test_odd_values_become_text() -> None:
    ring: list[object] = []
    ring.append(ring)
    key = ExecutionKey("V", "A", "2024-01-01", "e1")
    row = json.loads(
        Renderer().line({"ts": 2**80, "a": Path("/x"), "b": ring, "c": key, "d": object, "e": 10**400})
    )
    assert row["a"] == "/x"
    assert row["c"]["exec_id"] == "e1"
    assert row["timestamp"] == str(2**80)
