"""What a person is told who starts, resumes or looks at a strategy: what was done, not what is hoped for."""

from __future__ import annotations

from typing import Any

from engine.control.commands import Pause, Resume, StopStrategy
from engine.records import HaltReset
from tests.engine.operator_kit import journalled
from tests.engine.rig import Rig

QUIET: dict[str, Any] = {
    "strategies": ({"module": "tests.engine.quiet:Quiet", "name": "own", "symbols": ("CL",)},)
}
BREAKS: dict[str, Any] = {
    "strategies": (
        {
            "module": "tests.engine.quiet:Breaks",
            "name": "own",
            "symbols": ("CL",),
            "restart": "on_failure",
            "restart_max": 1,
        },
    )
}


def test_start_and_resume_say_which_of_them_it_was() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(1)
        assert (await rig.command(Resume(strategy="own"))).text == "own is running already"
        await rig.command(Pause(strategy="own"))
        assert (await rig.command(Resume(strategy="own"))).text == "own goes on"
        await rig.command(StopStrategy(strategy="own"))
        await rig.sleep(1)
        assert (await rig.command(Resume(strategy="own"))).text == "own is being started"
        refused = await rig.command(Resume(strategy="none_such"))
        assert not refused.ok and "known are own" in refused.text

    Rig.play(script, config=QUIET)


def test_the_journal_names_who_started_it_again() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(1)
        await rig.command(StopStrategy(strategy="own"))
        await rig.sleep(1)
        await rig.command(Resume(strategy="own"))
        lifted = [record for record in await journalled(rig) if isinstance(record, HaltReset)]
        assert lifted and {record.who for record in lifted if record.scope == "strategy"} == {"test"}

    Rig.play(script, config=QUIET)


def test_the_alarm_says_first_that_it_starts_again() -> None:
    """A narrow line cuts the reason, which stands at the end."""

    async def script(rig: Rig) -> None:
        await rig.sleep(10)
        texts = [alarm.text for alarm in rig.engine.core.books.alerts.rows() if alarm.code == "strategy"]
        assert any(
            text.startswith("strategy own was stopped, starts again in 1 s (1 of 1): ValueError")
            for text in texts
        )
        assert any(text.endswith("not started again: 1 restart within 600 s") for text in texts)

    Rig.play(script, config=BREAKS)
