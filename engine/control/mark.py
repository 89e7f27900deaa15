"""Whether two processes mean the same by what they say: a fingerprint of everything that a screen is sent.

`wire.PROTOCOL` is raised by hand; this changes by itself with any field of a snapshot, a record or a reply,
so that a screen of another build is told so and does not guess.
"""

from __future__ import annotations

import functools
import hashlib

import msgspec

from engine.control.commands import Answer, AnyCommand
from engine.control.questions import AnyQuestion, AnyReply
from engine.control.snapshot import Snapshot
from engine.records import AnyRecord


@functools.cache
def build_mark() -> str:
    """The same in every process of one build."""
    types = (AnyCommand, Answer, AnyQuestion, AnyReply, Snapshot, AnyRecord)
    schema = msgspec.json.schema_components(types, ref_template="{name}")
    return hashlib.sha256(msgspec.json.encode(schema, order="deterministic")).hexdigest()[:16]
