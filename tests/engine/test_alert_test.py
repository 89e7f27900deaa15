"""A test of the alarms: what it answers, what is journalled of it, and ways that do not answer."""

from __future__ import annotations

from collections.abc import Callable

from engine.control.commands import Answer, TryAlerts
from engine.records import CommandAnswered, CommandTaken
from tests.engine.rig import Rig
from tests.recovery.kit import records


class Way:
    """A way to a person that answers when it is told to."""

    def __init__(self, name: str, *at_once: str) -> None:
        self.name = name
        self._at_once = at_once
        self.told: list[str] = []
        self.done: Callable[[str], None] = lambda _: None

    def test(self, text: str, done: Callable[[str], None]) -> None:
        self.told.append(text)
        self.done = done
        for problem in self._at_once:
            done(problem)


def begun(rig: Rig, *ways: Way) -> list[Answer]:
    rig.engine.operator.alert_test.channels.extend(ways)
    answers: list[Answer] = []
    rig.engine.command(TryAlerts(), "ann", answers.append)
    return answers


def test_nobody_is_paged() -> None:
    async def script(rig: Rig) -> None:
        (answer,) = begun(rig)
        assert not answer.ok and answer.final
        assert answer.text == (
            "log: written; screens: none is attached, so nobody sees it there; paging: nobody is paged by "
            "this run: set alerts.command to a program that reaches you"
        )
        (alarm,) = (a for a in rig.engine.core.books.alerts.rows(rig.clock.now()) if a.code == "alert_test")
        assert alarm.severity == "info" and "by ann at " in alarm.text

    Rig.play(script)


def test_each_way_is_tried_and_the_answer_says_which_answered() -> None:
    async def script(rig: Rig) -> None:
        slow, broken, quick = Way("slow"), Way("broken", "ended with 1", "again"), Way("quick", "")
        rig.engine.seats.join("bob")
        answers = begun(rig, slow, broken, quick)
        assert [a.final for a in answers] == [False]
        assert answers[0].text == "log: written; screens: shown on 1; waiting for slow, broken, quick"
        await rig.sleep(20)
        assert len(answers) == 1
        slow.done("")
        assert (answers[1].ok, answers[1].final) == (False, True)
        assert answers[1].text.endswith("slow: delivered; broken: ended with 1; quick: delivered")
        slow.done("too late")
        assert len(answers) == 2
        assert slow.told == broken.told == quick.told
        taken = [r for r in await records(rig, CommandTaken) if isinstance(r.command, TryAlerts)]
        assert [r.who for r in taken] == ["ann"]
        assert [r.text for r in await records(rig, CommandAnswered)] == [answers[1].text]

    Rig.play(script)


def test_all_delivered_is_ok_and_a_way_that_does_not_answer_is_not_waited_for_without_end() -> None:
    async def script(rig: Rig) -> None:
        way = Way("pager", "")
        answers = begun(rig, way)
        assert answers[-1].ok and answers[-1].text.endswith("pager: delivered")
        silent = Way("silent")
        answers = begun(rig, silent)
        await rig.sleep(325)
        assert answers[-1].final and not answers[-1].ok
        assert answers[-1].text.endswith("pager: delivered; silent: no answer came")

    Rig.play(script)
