"""One line of a form: what it holds, which characters it takes, and why it does not take another one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, Literal

LONGEST: Final = 32
"""Characters that a field takes."""


@dataclass(slots=True)
class Field:
    """With `choices` it takes one of them: Space, Left, Right or the first letter of one changes it.

    `kind`: `number` takes digits and one '.', `price` a '-' in front as well, `text` everything but blanks.
    `colon`: whether a ':' may stand in it; elsewhere it is taken for the begin of a command line.
    """

    name: str
    label: str
    value: str = ""
    choices: tuple[str, ...] = ()
    hint: str = ""
    shown: bool = True
    kind: Literal["text", "number", "price"] = "text"
    colon: bool = False

    def refuses(self, character: str, known: str) -> str:
        """Why this character cannot be typed here behind what is known; empty: it can."""
        if len(known) >= LONGEST:
            return f"{self.label} takes {LONGEST} characters, no more"
        if self.kind == "text" or (character.isascii() and character.isdigit()):
            return ""
        if character == ".":
            return f"{self.label} has its '.' already" if "." in known else ""
        if character == "-" and self.kind == "price":
            return f"{self.label}: a '-' stands in front or nowhere" if known else ""
        if character == ",":
            return f"{self.label}: '.' before the decimals, nothing between thousands"
        more = ", and a '-' in front" if self.kind == "price" else ""
        return f"{self.label} takes digits and one '.'{more}: {character!r} is not entered"

    def next_choice(self, step: int) -> str:
        """The choice after the one that stands there, or before it."""
        if self.value not in self.choices:
            return self.choices[0 if step > 0 else -1]
        return self.choices[(self.choices.index(self.value) + step) % len(self.choices)]

    def choice_of(self, letter: str) -> str:
        """The next choice that begins with this letter; empty: none does."""
        at = self.choices.index(self.value) + 1 if self.value in self.choices else 0
        for choice in (*self.choices[at:], *self.choices[:at]):
            if choice.lower().startswith(letter.lower()):
                return choice
        return ""


def stepped(value: Decimal, step: Decimal, direction: int) -> Decimal:
    """The next multiple of `step` above (`direction` 1) or below (-1) a value that may lie between two."""
    steps = value / step
    whole = steps.to_integral_value(ROUND_FLOOR if direction > 0 else ROUND_CEILING)
    return step * (int(whole) + direction)
