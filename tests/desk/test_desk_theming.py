"""Another theme while the desk runs: by command, and when the operator's own file is saved."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest
from deskpilot import Desk, drive, painted, press, text_of
from fakelink import FakeLink, snapshot

from app.desk import themes
from app.desk.app import DeskApp
from app.desk.picture import svg

UP, OTHER = "#5CC8FF", "#00FF00"


def mine(colour: str = UP) -> str:
    text = (Path(str(resources.files("themes"))) / "cvd.toml").read_text(encoding="utf-8")
    return text.replace('name = "cvd"', 'name = "mine"').replace(f'pnl-up = "{UP}"', f'pnl-up = "{colour}"')


def save(path: Path, text: str) -> None:
    """As an editor does, and surely later than before: a file's time may be coarse."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 10_000_000, before + 10_000_000))


def colour_of(app: DeskApp, meaning: str) -> str:
    """As it is painted."""
    style = app.desk.query_one("#status").style_of(meaning)  # type: ignore[attr-defined]
    assert style.color is not None
    return style.color.get_truecolor().hex.upper()


def test_a_saved_file_is_taken_over_and_a_broken_one_leaves_the_old_theme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "breakwater" / "themes" / "mine.toml"
    file.parent.mkdir(parents=True)
    file.write_text(mine(), encoding="utf-8")

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "colon", *"theme mine", "enter")
        await painted(pilot)
        assert app.theme == "mine" and colour_of(app, "pnl-up") == UP
        app.watch_theme_file()
        save(file, mine(OTHER))
        app.watch_theme_file()
        await pilot.pause()
        await painted(pilot)
        assert colour_of(app, "pnl-up") == OTHER and "theme mine from" in text_of(app)
        save(file, mine("#101820"))
        app.watch_theme_file()
        await painted(pilot)
        assert "the theme stays mine" in text_of(app) and "contrast" in text_of(app)
        assert colour_of(app, "pnl-up") == OTHER
        app.desk.note("")
        app.watch_theme_file()
        assert "the theme stays" not in text_of(app), "it is said once, not every other second"
        save(file, mine())
        app.watch_theme_file()
        await pilot.pause()
        assert colour_of(app, "pnl-up") == UP

    drive(test, size=(200, 50))


def test_a_theme_is_chosen_by_name_and_an_unknown_one_leaves_the_old() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "colon", *"theme light", "enter")
        await painted(pilot)
        light = themes.load("light")
        assert app.theme == "light" and colour_of(app, "pnl-up") == light.meanings["pnl-up"].upper()
        await press(pilot, "colon", *"theme nosuch", "enter")
        await painted(pilot)
        assert app.theme == "light" and "the theme stays light" in text_of(app)
        await press(pilot, "colon", *"theme reload", "enter")
        await painted(pilot)
        assert "theme light" in text_of(app) and link.sent == [], "the engine hears nothing of it"

    drive(test, size=(200, 50))


def test_what_is_drawn_after_the_change_is_what_a_start_with_it_draws() -> None:
    got: list[str] = []

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.use_theme("high-contrast")
        await pilot.pause()
        app.note("")
        await painted(pilot)
        got.append(app.export_screenshot())

    def colours(picture: str) -> set[str]:
        return {word[:7] for word in picture.lower().split("fill: ")[1:] if word.startswith("#")}

    drive(test, link=FakeLink(snapshot()), size=(80, 24))
    assert colours(got[0]) == colours(svg(FakeLink(snapshot()), theme="high-contrast", size=(80, 24)))
