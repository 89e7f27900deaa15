"""The flight recorder: the state of the engine at any moment of a journal, and the rows behind one story.

Nothing here writes: a stopped journal is read in place, a running engine's from a copy.
"""

from engine.recorder.recorder import Moment, Recorder
from engine.recorder.story import Story, tell
from engine.recorder.tape import Tape, open_tape

__all__ = ["Moment", "Recorder", "Story", "Tape", "open_tape", "tell"]
