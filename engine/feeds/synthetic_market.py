"""The model behind the made-up markets: factors, news, and one book's touch that follows a hidden fair price.

All of it moves on a grid of 250 ms and is drawn from generators that are seeded by name, so that an
instrument's stream depends on the seed alone, not on who else is listed or how fast anybody reads.
"""

from __future__ import annotations

from math import exp, log, sqrt
from random import Random
from typing import Final

from engine.feeds.pacing import StateChange
from engine.feeds.synthetic_profiles import Profile
from engine.model import NS, Instrument, MarketState, Quote, Side, Trade

STEP: Final = 250_000_000
"""Grid of the hidden processes, ns."""
_DT: Final = STEP / NS
_REGIME_TIME: Final = 600.0
"""Seconds in which volatility returns to its mean."""
_REGIME_SPREAD: Final = 0.35
"""Standard deviation of log-volatility in the long run."""
_NEWS_FADE: Final = 25.0
"""Seconds in which the effect of news falls to a third."""
_NEWS_FEAR: Final = 20.0
"""Seconds before scheduled news in which liquidity thins out."""
_NEWS_SIZE: Final = 25.0
"""Typical gap on news, in standard deviations of one calm second."""
_NEWS_PATH: Final = (0.6, 0.25, 0.15)
"""Shares of the gap in the first steps after the news."""

Made = Quote | Trade | StateChange


class Regime:
    """Mean-reverting log-volatility and the common factors, step by step."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = Random(f"{seed}:regime")
        self._factors: dict[str, Random] = {}
        self._level = self._rng.gauss(0.0, _REGIME_SPREAD)
        self.moves: dict[str, float] = {}
        """This step's standard normal draw of each factor."""
        self.volatility = 1.0
        self.activity = 1.0

    def add_factor(self, name: str) -> None:
        if name and name not in self._factors:
            self._factors[name] = Random(f"{self._seed}:factor:{name}")

    def advance(self) -> None:
        kick = _REGIME_SPREAD * sqrt(2 * _DT / _REGIME_TIME)
        self._level += -self._level * _DT / _REGIME_TIME + kick * self._rng.gauss(0.0, 1.0)
        self.volatility = exp(self._level - _REGIME_SPREAD**2 / 2)
        self.activity = exp(0.6 * self._level)
        for name, rng in self._factors.items():
            self.moves[name] = rng.gauss(0.0, 1.0)


class News:
    """Scheduled news: `first` ns after the start and every `every` ns from then on (None: once)."""

    def __init__(self, seed: int, first: int | None, every: int | None) -> None:
        self._seed = seed
        self._first = first
        self._every = every
        self._gaps: dict[tuple[int, str], float] = {}

    def around(self, at: int) -> tuple[int, int]:
        """Number of the news that matter at `at` ns after the start, and ns since them (< 0: until)."""
        if self._first is None:
            return 0, -(1 << 62)
        if self._every is None or at < self._first:
            return 0, at - self._first
        number, since = divmod(at - self._first, self._every)
        if self._every - since <= _NEWS_FEAR * NS:
            return number + 1, since - self._every
        return number, since

    def gap(self, number: int, group: str) -> float:
        """Signed size of the gap for a factor or product, in standard deviations of a calm second."""
        key = (number, group)
        if key not in self._gaps:
            rng = Random(f"{self._seed}:news:{number}:{group}")
            self._gaps[key] = rng.choice((-1, 1)) * _NEWS_SIZE * rng.uniform(0.6, 1.6)
        return self._gaps[key]


class Market:
    """One instrument: touch prices and queues, self-exciting prints, reaction to news."""

    def __init__(
        self, instrument: Instrument, profile: Profile, seed: int, start: int, rate: float, news: News
    ) -> None:
        self._symbol = instrument.symbol
        self._p = profile
        self._start = start
        self._rate = rate
        self._news = news
        self._rng = Random(f"{seed}:{instrument.symbol}")
        self._fair = float(instrument.to_ticks(profile.price)) + 0.5
        self._bid = instrument.to_ticks(profile.price)
        self._ask = self._bid + 1
        self._width = 1
        self._queue = profile.touch
        self._bid_size = self._fresh_size()
        self._ask_size = self._fresh_size()
        self._burst = 0.0
        self._ts = start
        self._state = MarketState.OPEN
        self._log_clip = log(profile.print_sizes[1])

    def opening(self) -> list[Made]:
        """What is known at the start."""
        return [StateChange(self._symbol, self._start, self._state), self._quote()]

    def step(self, number: int, regime: Regime) -> list[Made]:
        """Records of the step that begins `number` × 250 ms after the start, in the order of time."""
        p = self._p
        out: list[Made] = []
        begin = self._start + number * STEP
        event, since = self._news.around(number * STEP)
        stress, fear = self._tension(since)
        self._set_state(out, begin, since)
        shock = self._rng.gauss(0.0, 1.0)
        common = regime.moves.get(p.factor, 0.0)
        move = p.loading * common + sqrt(1 - p.loading**2) * shock
        self._fair += p.volatility * sqrt(_DT) * regime.volatility * (1 + 3 * stress) * move
        if 0 <= since < STEP * len(_NEWS_PATH):
            gap = self._news.gap(event, p.factor or self._symbol)
            self._fair += p.volatility * gap * _NEWS_PATH[since // STEP]
        self._fair = max(self._fair, 100.0)
        self._width = self._draw_width() + round(p.news_widening * (stress + 0.2 * fear))
        self._queue = max(p.touch * (1 - 0.75 * min(stress + fear, 1.0)), 1.0)
        busy = self._rate * regime.activity
        quotes = p.quotes * busy * (1 + p.news_rate * stress)
        prints = p.trades * (1 - p.branching) * busy * (1 + p.news_prints * stress)
        self._events(out, begin, quotes, prints)
        return out

    def _tension(self, since: int) -> tuple[float, float]:
        """Effect of news behind us (1 at once, then fading) and fear of news ahead (0 to 0.5)."""
        seconds = since / NS
        if seconds >= 0:
            stress = exp(-seconds / _NEWS_FADE)
            return (stress if stress > 0.002 else 0.0), 0.0
        return 0.0, max(0.0, 0.5 * (1 + seconds / _NEWS_FEAR))

    def _set_state(self, out: list[Made], ts: int, since: int) -> None:
        reserved = 0 <= since < self._p.reserved * NS
        state = MarketState.RESERVED if reserved else MarketState.OPEN
        if state is not self._state:
            self._state = state
            self._burst = 0.0
            out.append(StateChange(self._symbol, ts, state))

    def _draw_width(self) -> int:
        u = self._rng.random()
        for width, share in self._p.spreads:
            u -= share
            if u < 0:
                return width
        return self._p.spreads[0][0]

    def _events(self, out: list[Made], begin: int, quote_rate: float, trade_rate: float) -> None:
        """Draws the step's events by thinning: quotes at a steady rate, prints exciting one another."""
        p = self._p
        rng = self._rng
        reserved = self._state is MarketState.RESERVED
        if reserved:
            trade_rate = 0.0
        at = 0.0
        while True:
            repair = 3.0 * quote_rate if self._ask - self._bid > self._width else 0.0
            bound = quote_rate + repair + trade_rate + self._burst
            wait = rng.expovariate(bound)
            if at + wait >= _DT:
                self._burst *= exp(-p.burst_decay * (_DT - at))
                return
            at += wait
            self._burst *= exp(-p.burst_decay * wait)
            pick = rng.random() * bound
            if pick < quote_rate + repair:
                self._stamp(begin, at)
                if self._requote():
                    out.append(self._quote())
            elif pick < quote_rate + repair + trade_rate + self._burst and not reserved:
                self._stamp(begin, at)
                self._burst += p.branching * p.burst_decay
                self._print(out)
                out.append(self._quote())

    def _stamp(self, begin: int, at: float) -> None:
        self._ts = max(self._ts + 1, begin + int(at * NS))

    def _quote(self) -> Quote:
        return Quote(self._symbol, self._ts, self._bid, self._bid_size, self._ask, self._ask_size)

    def _requote(self) -> bool:
        """Market makers react: follow the fair price, close or open the spread, or change their size."""
        rng = self._rng
        width = self._width
        gap = self._fair - (self._bid + self._ask) / 2
        spread = self._ask - self._bid
        if abs(gap) > 0.5 * width + 0.35:
            bid = round(self._fair - width / 2)
            self._follow(bid, bid + width, torn=rng.random() < self._p.torn)
            return True
        if spread > width:
            if gap > 0 or (gap == 0 and rng.random() < 0.5):
                self._bid, self._bid_size = self._ask - width, self._fresh_size()
            else:
                self._ask, self._ask_size = self._bid + width, self._fresh_size()
            return True
        if spread < width and width > 1 and rng.random() < 0.5:
            if rng.random() < 0.5:
                self._bid, self._bid_size = self._ask - width, self._fresh_size()
            else:
                self._ask, self._ask_size = self._bid + width, self._fresh_size()
            return True
        if rng.random() < 0.5:
            before = self._bid_size
            self._bid_size = self._resized(before)
            return self._bid_size != before
        before = self._ask_size
        self._ask_size = self._resized(before)
        return self._ask_size != before

    def _follow(self, bid: int, ask: int, *, torn: bool) -> None:
        """Moves to new prices; `torn`: the side that is run over goes first, the other follows later."""
        if torn and self._ask - self._bid <= self._width:
            if ask > self._ask:
                self._ask, self._ask_size = ask, self._fresh_size()
                return
            if bid < self._bid:
                self._bid, self._bid_size = bid, self._fresh_size()
                return
        if bid != self._bid:
            self._bid, self._bid_size = bid, self._fresh_size()
        if ask != self._ask:
            self._ask, self._ask_size = ask, self._fresh_size()

    def _print(self, out: list[Made]) -> None:
        """An aggressive order: prints at the touch, and beyond where it is larger than the queue."""
        p = self._p
        rng = self._rng
        gap = self._fair - (self._bid + self._ask) / 2
        lean = gap / (0.5 * self._width + 0.35 + p.volatility * 0.3)
        buy = rng.random() < 1 / (1 + exp(-max(min(2 * lean, 30.0), -30.0)))
        left = self._print_size()
        side = Side.BUY if buy else Side.SELL
        self._fair += (1 if buy else -1) * p.volatility * 0.04 * min(sqrt(left / p.touch), 3.0)
        for _ in range(3):
            price, queue = (self._ask, self._ask_size) if buy else (self._bid, self._bid_size)
            done = min(left, queue)
            out.append(Trade(self._symbol, self._ts, price, done, side))
            left -= done
            if done < queue:
                if buy:
                    self._ask_size -= done
                else:
                    self._bid_size -= done
                return
            if buy:
                self._ask, self._ask_size = self._ask + 1, self._fresh_size()
            else:
                self._bid, self._bid_size = self._bid - 1, self._fresh_size()
            if left <= 0:
                return

    def _print_size(self) -> int:
        single, _, deviation = self._p.print_sizes
        if self._rng.random() < single:
            return self._p.clip
        return max(1, min(round(exp(self._rng.gauss(self._log_clip, deviation))), int(20 * self._p.touch)))

    def _fresh_size(self) -> int:
        return max(1, round(self._queue * exp(self._rng.gauss(0.0, 0.45))))

    def _resized(self, size: int) -> int:
        """One order joins or leaves a queue that returns to its usual length."""
        change = max(1, round(self._rng.expovariate(1 / (0.12 * self._queue))))
        if self._rng.random() * (size + self._queue) < self._queue:
            return size + change
        return max(1, size - change)
