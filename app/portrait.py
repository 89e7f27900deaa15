"""`python -m app.portrait FILE`: runs the paper engine for half a minute and saves a picture of its desk.

The picture in the README is made so, from a real run.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

from app import logs
from app.hosting import EngineThread
from app.options import RunOptions
from app.settings import Settings

SECONDS = 40.0


def main(target: Path) -> None:
    """Writes the desk at 120×40 as SVG."""
    with tempfile.TemporaryDirectory(prefix="portrait-") as state:
        options = RunOptions(state_dir=Path(state), config=None, feed="synthetic", seed=3)
        engine = EngineThread(Settings(), options, logs.engine_log())
        engine.start()
        threading.Event().wait(SECONDS)
        from app.desk import picture

        picture.export(engine.link, target, size=(120, 40))
        engine.stop("the picture is taken")
        engine.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
