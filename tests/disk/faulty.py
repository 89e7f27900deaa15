"""`breakwater` on a store that fails at will, for where a test may not mount anything.

    python -m tests.disk.faulty FILE WORDS...

What FILE says at the moment happens to every write of SQLite: full, io, readonly or hang. No file: nothing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from app.cli import main
from tests.power.disk import FULL
from tests.power.vfs import SQLITE_OK, Tap, tapped

IOERR_WRITE = 10 | 3 << 8
IOERR_FSYNC = 10 | 4 << 8
READONLY = 8


class Faulty(Tap):
    def __init__(self, file: Path) -> None:
        self._file = file

    def _now(self) -> str:
        try:
            return self._file.read_text()
        except FileNotFoundError:
            return ""

    def write(self, name: str, offset: int, data: bytes) -> int:
        while (now := self._now()) == "hang":
            time.sleep(0.01)
        return {"full": FULL, "io": IOERR_WRITE, "readonly": READONLY}.get(now, SQLITE_OK)

    def sync(self, name: str) -> int:
        return IOERR_FSYNC if self._now() == "io" else SQLITE_OK


if __name__ == "__main__":
    control = Path(sys.argv[1])
    sys.argv = ["breakwater", *sys.argv[2:]]
    with tapped(Faulty(control)):
        code = main()
    sys.exit(code)
