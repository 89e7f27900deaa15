"""Starts and stops exchange processes for tests; every process is ended by its own pid."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from brokers.loopback.wire import Address

ROOT = Path(__file__).parents[2]


class ExchangeProcess:
    """`python -m brokers.loopback.server` on a Unix socket, with a ledger where one is given."""

    def __init__(self, folder: Path, *options: str, ledger: bool = True) -> None:
        self.address = Address(path=folder / "x.sock")
        self._command = [
            *(sys.executable, "-m", "brokers.loopback.server", "--socket", str(self.address.path)),
            *(["--ledger", str(folder / "exchange.db")] if ledger else []),
            *options,
        ]
        self._process: subprocess.Popen[str] | None = None
        self.ready: dict[str, object] = {}
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        assert self._process.stdout is not None
        self.ready = json.loads(self._process.stdout.readline())

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def exchange_process(folder: Path, *options: str, ledger: bool = True) -> Iterator[ExchangeProcess]:
    process = ExchangeProcess(folder, *options, ledger=ledger)
    try:
        yield process
    finally:
        process.end()
