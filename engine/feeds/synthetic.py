"""A market that looks alive, made from a seed: the feed for a first start, demonstrations and tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from engine.feeds.errors import FeedError
from engine.feeds.instruments import Catalogue, catalogue
from engine.feeds.pacing import Pacer
from engine.feeds.synthetic_market import Made, Market, News, Regime
from engine.feeds.synthetic_profiles import PROFILES
from engine.model import NS, Instrument
from engine.ports import Clock, MarketSink

DEFAULT_SYMBOLS: Final = tuple(PROFILES)


class SyntheticFeed:
    """`engine.ports.Feed` of made-up quotes, prints and market states.

    The records follow from `seed` and `start` (UTC ns) alone: the clock only decides when they are handed
    over. `rate` scales how many there are a second, not how far prices move. Scheduled news come `news_after`
    ns after the start and then every `news_every` ns (None: never, or only once): the book thins out
    beforehand, then the price gaps, the spread opens, prints pour in, and futures are RESERVED for 3 s.

    These markets trade around the clock: the instruments carry the calendar `always`. Raises `FeedError` for
    a symbol that it cannot make.
    """

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str] = DEFAULT_SYMBOLS,
        start: int = 0,
        *,
        rate: float = 1.0,
        news_after: int | None = 600 * NS,
        news_every: int | None = 3600 * NS,
        known: Catalogue | None = None,
    ) -> None:
        if not symbols:
            raise FeedError("a synthetic market needs at least one symbol")
        if rate <= 0:
            raise FeedError(f"the rate of a synthetic market must be above 0, not {rate}")
        known = known or catalogue()
        self.instruments: tuple[Instrument, ...] = ()
        self._profiles = []
        for symbol in dict.fromkeys(symbols):
            root = known.root(symbol)
            if root not in PROFILES:
                raise FeedError(f"no synthetic market for {symbol}; there are {', '.join(PROFILES)}")
            self.instruments += (replace(known.lookup(symbol), calendar="always"),)
            self._profiles.append(PROFILES[root])
        self.name = "synthetic:" + ",".join(i.symbol for i in self.instruments)
        self.seed: Final = seed
        self.start: Final = start
        self._rate = rate
        self._news = (news_after, news_every)
        self._pacer = Pacer()

    @property
    def counters(self) -> dict[str, int]:
        """Records delivered, by kind."""
        return self._pacer.counters

    def start_time(self) -> None:
        """None: it starts when it is told to (`start`)."""
        return

    def progress(self) -> None:
        """None: it has no end."""
        return

    def records(self) -> Iterator[Made]:
        """The endless stream in the order of time, without a clock."""
        news = News(self.seed, *self._news)
        regime = Regime(self.seed)
        markets = []
        for instrument, profile in zip(self.instruments, self._profiles, strict=True):
            regime.add_factor(profile.factor)
            markets.append(Market(instrument, profile, self.seed, self.start, self._rate, news))
        for market in markets:
            yield from market.opening()
        for number in count():
            regime.advance()
            step: list[Made] = []
            for market in markets:
                step += market.step(number, regime)
            step.sort(key=attrgetter("ts"))
            yield from step

    async def run(self, clock: Clock, sink: MarketSink, resume_after: int | None = None) -> None:
        """Delivers until it is cancelled. To resume it makes what came before once more and keeps it back."""
        self._pacer = Pacer()
        await self._pacer.deliver(self.records(), clock, sink, resume_after)
