"""Which client library is used: one, of a known version, and never two."""

from __future__ import annotations

import subprocess
import sys

from brokers.ib import library
from tests.ib.kit import needs_library, play


def test_two_libraries_are_refused_with_the_remedy() -> None:
    why = library.problem(("ib_insync", "ib_async"))
    assert "both installed" in why and "breakwater[ib]" in why and "breakwater[ib-async]" in why


def test_no_library_is_refused_with_the_remedy() -> None:
    assert "pip install 'breakwater[ib]'" in library.problem(())


@needs_library
def test_the_installed_one_is_taken() -> None:
    assert library.problem() == "" and len(library.present()) == 1


@needs_library
def test_the_engines_loop_is_not_patched() -> None:
    """The library's way of running loops within loops is never switched on."""

    async def script(bench: object) -> None:
        assert "nest_asyncio" not in sys.modules

    play(script)  # type: ignore[arg-type]


def test_the_adapter_can_be_imported_without_any_library() -> None:
    code = (
        "import sys\nfor name in ('ib_insync', 'ib_async', 'eventkit'): sys.modules[name] = None\n"
        "import brokers.ib, brokers.ib.wire\nprint(brokers.ib.IbConfig().port)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "4002", done.stderr
