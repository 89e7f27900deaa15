"""What `breakwater doctor` says of the sentinel: whether one is there, who may send, and what it last did."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from app.options import RunOptions
from app.sentinel.asking import ask, last_note, lease_of, lease_words
from app.sentinel.policy import cannot_act, outlives, policy_of
from app.settings import Settings
from engine.sentinel.lease import Holder


class Finding(NamedTuple):
    state: Literal["PASS", "WARN"]
    text: str
    remedy: str = ""


def look(settings: Settings, state: Path, feed: str) -> Finding:
    """One finding; it asks a sentinel that runs, and reads what a dead one left."""
    options = RunOptions(state_dir=state, config=None, feed=feed)
    policy, lease, said = policy_of(settings, options), lease_of(state), ask(state)
    if lease is not None and lease.holder is Holder.SENTINEL:
        how = f"process {said.pid}, {said.phase}" if said is not None else "its process has ended"
        return Finding(
            "WARN",
            f"it has acted in the engine's place ({how}): {last_note(state)}",
            "look at the positions; start the engine, which takes over what was done and stays halted",
        )
    if lease is None:
        return Finding("WARN", f"the lease {lease_words(lease)}", "look at the disk and at the log")
    if policy == "off":
        if not outlives(settings, options):
            return Finding("PASS", "off: nothing outlives the engine here")
        return Finding(
            "WARN", "off: nobody acts when the engine dies", "sentinel.policy = 'cancel' or 'flatten'"
        )
    why = cannot_act(settings, options)
    told = f"{policy}, after {settings.sentinel.after:g} s" + (f"; {why}" if why else "")
    if said is None:
        return Finding("PASS", f"{told}; it starts with the engine")
    if said.reachable is False:
        return Finding("WARN", f"{told}; it cannot reach {said.venue}: {said.text}", "look at the line")
    if said.unpaged:
        return Finding("WARN", f"{told}; it paged nobody: {said.unpaged}", "try 'breakwater doctor --page'")
    return Finding("PASS", f"{told}; process {said.pid} is {said.phase}")
