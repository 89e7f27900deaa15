"""A notification of the desktop through the terminal: OSC 9 or OSC 777, also from within tmux."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Literal

from app.desk.view.cells import clean

Notify = Literal["no", "osc9", "osc777"]

LONGEST: Final = 200
"""Characters of a notification."""


def notification(how: Notify, text: str, environ: Mapping[str, str] = os.environ) -> str:
    """What is to be written to the terminal; empty for `no`.

    Text from outside is made harmless: it could otherwise end the sequence and begin another one. tmux hands
    it on where its `allow-passthrough` is on.
    """
    if how == "no":
        return ""
    harmless = clean(text)[:LONGEST]
    body = f"9;{harmless}" if how == "osc9" else f"777;notify;Breakwater;{harmless.replace(';', ',')}"
    sequence = f"\x1b]{body}\x07"
    if environ.get("TMUX"):
        inner = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{inner}\x1b\\"
    return sequence
