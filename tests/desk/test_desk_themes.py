"""Themes: complete, readable, and apart for eyes that see colours differently."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
from fakelink import FakeLink
from rich._palettes import STANDARD_PALETTE
from rich.color import ANSI_COLOR_NAMES, Color, ColorSystem

from app.desk import themes
from app.desk.app import DeskApp
from app.desk.options import DeskOptions
from app.desk.view.meanings import BOLD, FILLED, MEANINGS

FOLDER = Path(str(resources.files("themes")))

# Machado, Oliveira & Fernandes 2009, severity 1.0, on linear RGB.
DEFICIENCIES = {
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(colour: str) -> list[float]:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]


def lab(rgb: list[float]) -> list[float]:
    r, g, b = (min(1.0, max(0.0, value)) for value in rgb)
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    )
    x, y, z = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in xyz)
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


def distance(one: str, other: str, matrix: tuple[tuple[float, ...], ...]) -> float:
    """CIE76 distance of two colours as they are seen with a deficiency."""
    seen = [[sum(m * v for m, v in zip(row, linear(c), strict=True)) for row in matrix] for c in (one, other)]
    return sum((a - b) ** 2 for a, b in zip(lab(seen[0]), lab(seen[1]), strict=True)) ** 0.5


@pytest.mark.parametrize("name", themes.BUILT_IN)
def test_built_in_themes_load_and_can_be_read(name: str) -> None:
    theme = themes.load(name)
    assert set(theme.meanings) == set(MEANINGS)
    for meaning in set(MEANINGS) - {"cursor"}:
        assert themes.contrast(theme.meanings[meaning], theme.colours["background"]) >= 4.5
        if meaning not in FILLED:
            assert themes.contrast(theme.meanings[meaning], theme.meanings["cursor"]) >= 4.5, meaning
            assert themes.contrast(theme.meanings[meaning], theme.colours["panel"]) >= 4.5, meaning
    assert theme.to_textual().variables["m-pnl-up"] == theme.meanings["pnl-up"]


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize(("up", "down"), [("pnl-up", "pnl-down"), ("side-buy", "side-sell")])
@pytest.mark.parametrize(("name", "least"), [("cvd", 70), ("high-contrast", 70), ("sixteen", 50)])
def test_safe_themes_keep_up_and_down_apart(
    name: str, least: int, deficiency: str, up: str, down: str
) -> None:
    meanings = themes.load(name).meanings
    assert distance(meanings[up], meanings[down], DEFICIENCIES[deficiency]) >= least


def test_the_measure_knows_that_red_and_green_are_not_apart() -> None:
    meanings = themes.load("dark").meanings
    assert distance(meanings["pnl-up"], meanings["pnl-down"], DEFICIENCIES["deutan"]) < 45


def test_warnings_are_not_the_colour_of_a_loss() -> None:
    meanings = themes.load(themes.DEFAULT).meanings
    assert meanings["risk-warn"] != meanings["pnl-down"] != meanings["alarm-unack"]


def good() -> str:
    return (FOLDER / "cvd.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('pnl-up = "#5CC8FF"', "", "lacks pnl-up"),
        ('pnl-up = "#5CC8FF"', 'pnl-up = "sky"', "pnl-up must be a colour"),
        ('pnl-up = "#5CC8FF"', 'pnl-up = "#101820"', "contrast"),
        ('pnl-up = "#5CC8FF"', 'pnl-up = "#5CC8FF"\nglow = "#FFFFFF"', "unknown names: glow"),
        ('name = "cvd"', "", "no name"),
        ("dark = true", 'dark = "yes"', "dark must be"),
        ("[colours]", "[colors]", "unknown keys: colors"),
        ("[colours]", "[colours", "not valid TOML"),
    ],
)
def test_a_bad_theme_is_refused_by_name(old: str, new: str, said: str) -> None:
    assert old in good()
    with pytest.raises(themes.BadTheme, match=re.escape(said)) as error:
        themes.parse(good().replace(old, new, 1), "mine.toml")
    assert "mine.toml" in str(error.value)


def test_a_theme_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(good().replace('name = "cvd"', 'name = "mine"'), encoding="utf-8")
    assert themes.load(path).name == "mine"
    with pytest.raises(themes.BadTheme, match="give one of cvd"):
        themes.load("nosuch")


def test_a_theme_of_the_operators_goes_before_a_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "breakwater" / "themes"
    folder.mkdir(parents=True)
    (folder / "light.toml").write_text(good().replace('name = "cvd"', 'name = "light"'), encoding="utf-8")
    (folder / "mine.toml").write_text(good().replace('name = "cvd"', 'name = "mine"'), encoding="utf-8")
    assert not themes.load("light").dark
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert themes.load("light").dark, "the operator's own is dark"
    assert themes.load("mine").name == "mine"
    (folder / "mine.toml").write_text("name = 7", encoding="utf-8")
    with pytest.raises(themes.BadTheme, match=r"mine\.toml"):
        themes.load("mine")


def test_red_up_is_dark_the_other_way_round() -> None:
    dark, other = themes.load("dark").meanings, themes.load("red-up").meanings
    turned = {"pnl-up": "pnl-down", "pnl-down": "pnl-up", "side-buy": "side-sell", "side-sell": "side-buy"}
    assert dark["pnl-up"] != dark["pnl-down"]
    assert {name: other[turned.get(name, name)] for name in other} == dark


def test_the_theme_of_sixteen_colours_has_no_others_and_confuses_none() -> None:
    theme = themes.load(themes.FOR_SIXTEEN)
    palette = {Color.from_triplet(STANDARD_PALETTE[number]).triplet for number in range(16)}
    for name, colour in (theme.colours | theme.meanings).items():
        triplet = Color.parse(colour).triplet
        assert triplet in palette, name
        assert Color.parse(colour).downgrade(ColorSystem.STANDARD).number is not None
    for one, other in (("pnl-up", "pnl-down"), ("side-buy", "side-sell"), ("mode-live", "mode-paper")):
        seen = [Color.parse(theme.meanings[n]).downgrade(ColorSystem.STANDARD).number for n in (one, other)]
        assert seen[0] != seen[1]


def test_a_terminal_of_sixteen_colours_gets_the_theme_for_them() -> None:
    link = FakeLink(None)
    assert DeskApp(link, DeskOptions(plain=True)).theme == themes.FOR_SIXTEEN
    assert DeskApp(link, DeskOptions(plain=True, theme="light")).theme == "light", (
        "a theme that was chosen stays"
    )
    assert DeskApp(link).theme == themes.DEFAULT


def test_no_source_of_the_desk_has_a_literal_colour() -> None:
    desk = Path(themes.__file__).parent
    named = "|".join(sorted(name for name in ANSI_COLOR_NAMES if name not in ("default",)))
    pattern = re.compile(rf"#[0-9A-Fa-f]{{6}}\b|(?:color|bgcolor|style)=[\"'](?:[a-z ]*\b)?(?:{named})\b")
    sources = [path for path in desk.rglob("*.py") if path.name != "themes.py"]
    assert len(sources) > 30
    assert [path.name for path in sources if pattern.search(path.read_text(encoding="utf-8"))] == []
    assert pattern.search('Style(color="red")') and pattern.search('"#FF00AA"')


def test_style_sheets_have_no_literal_colours() -> None:
    for path in FOLDER.glob("*.tcss"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"#[0-9A-Fa-f]{3,8}\b(?=[^{]*})", text), path
        for rule in re.findall(
            r"(?<![\w-])(?:color|background|border|[\w-]+-color|scrollbar-[\w-]+)(?<!-style):\s*([^;]+);",
            text,
        ):
            assert "$" in rule or rule.strip() in ("none", "1"), f"{path.name}: {rule}"


def test_what_is_filled_or_bold_is_a_meaning() -> None:
    assert set(MEANINGS) >= BOLD >= FILLED
