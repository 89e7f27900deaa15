"""Answers what screens ask: each question on the engine's thread, in bounded work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.answers_day import day_seen
from engine.answers_market import market_seen
from engine.answers_story import Stories
from engine.control.questions import AnyQuestion, DayOf, LogTail, MarketOf, ReplySink, RowsOf, StoryOf
from engine.control.replies import Declined
from engine.daycurve import DayCurve
from engine.marketmemory import MarketMemories

if TYPE_CHECKING:
    from engine.engine import Engine


class Answers:
    """Answers questions about one engine, and remembers what only they need."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.memories = MarketMemories(engine.markets)
        self.curve = DayCurve()
        self.stories = Stories(engine.core, engine.parts.recent)
        self.resumed_day = engine.core.books.day.trading_day if engine.core.books.day is not None else ""
        """The trading day that had been opened before this run; its curve cannot be whole."""

    def sample(self) -> None:
        """Several times a second."""
        view = self._engine.view
        now = self._engine.core.clock.now()
        self.memories.sample(now)
        self.curve.sample(view.trading_day(), view.day_pnl(), now)

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        """An `engine.control.questions.Answerer`, for the engine's thread. A question that cannot be answered
        is declined, whatever went wrong."""
        engine = self._engine
        begin = engine.core.clock.perf()
        try:
            match question:
                case MarketOf():
                    sink(market_seen(engine, question))
                case DayOf():
                    sink(day_seen(engine))
                case StoryOf(ident=ident):
                    self.stories.tell(ident, sink)
                case LogTail():
                    engine.parts.log_tail(question, sink)
                case RowsOf():
                    sink(Declined(text="the engine runs; 'breakwater replay --desk' plays a journal"))
        except Exception as error:  # noqa: BLE001 - a screen's question must not end what else the loop does
            engine.metrics.count("question_errors")
            engine.core.log("error", f"a question failed: {error!r}", component="questions")
            sink(Declined(text=f"this question failed: {error!r}"))
        engine.metrics.stage("answer", engine.core.clock.perf() - begin)


def no_log(_question: LogTail, sink: ReplySink) -> None:
    """The log's answer where the engine is not told of one."""
    sink(Declined(text="this engine does not keep its log at hand; read the log file"))
