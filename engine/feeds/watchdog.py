"""One instrument's watchdog: may this record be believed, and is what we know still true?

It filters what a feed delivers (out of sequence, impossible prices, jumps that nothing confirms) and says in
one word how good the data is now. The age limit follows the instrument's own rhythm: twice the longest
silence of about the last half hour, never less than `stale_after` nor more than `stale_max`. A silence that
was already called stale teaches at most a doubling, so that an outage does not make the next one invisible.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from engine.feeds.jumps import JumpFilter
from engine.model import NS, Instrument, MarketState, Quote, Trade, Value
from engine.sessions import Calendar

DataWord = Literal["live", "stale", "crossed", "one_sided", "closed", "none"]
Finding = DataWord | Literal["behind", "jump", "locked"]
"""The same, as finely as it is known; on a screen it is one of the above."""
_SHOWN: Final[dict[Finding, DataWord]] = {
    **{word: word for word in get_args(DataWord)},
    "behind": "stale",
    "jump": "stale",
    "locked": "crossed",
}

FORGET: Final = 1800 * NS
"""Time in which a remembered silence shrinks to a third."""
_SHUT: Final = (MarketState.CLOSED, MarketState.HALTED, MarketState.PRE_OPEN)
_NEVER: Final = 1 << 62


class DataState(Value, frozen=True, kw_only=True):
    """How good the data is. `age`: ns since the last sign of life, None where there was none.

    Only `live` is fit for opening orders. `stale` also covers a feed that lags behind and a jump that is not
    confirmed; `crossed` also a locked market; `closed` also halts and the pre-open, where books may cross.
    """

    word: DataWord
    age: int | None
    limit: int = 0
    """Age in ns beyond which this instrument counts as stale."""
    detail: str = ""


class Watchdog:
    """State machine over one instrument's quotes and trades. Moments and ages in ns of engine time.

    `stale_after`: seconds, the least silence that counts as stale (`RiskLimits.stale_after`); `stale_max`:
    seconds, the most that a slow rhythm may stretch it to.
    """

    __slots__ = (
        "_ask",
        "_behind",
        "_bid",
        "_flip",
        "_jumps",
        "_open",
        "_opened",
        "_quiet",
        "_quote_ts",
        "_quoted",
        "_seen",
        "_skew",
        "_trade_ts",
        "_venue",
        "accepted",
        "calendar",
        "crossed",
        "future",
        "instrument",
        "limit",
        "locked",
        "nonpositive",
        "one_sided",
        "out_of_sequence",
        "resequenced",
        "stale_after",
        "stale_max",
    )

    def __init__(
        self,
        instrument: Instrument,
        calendar: Calendar,
        stale_after: float = 5.0,
        *,
        stale_max: float = 300.0,
    ) -> None:
        self.instrument: Final = instrument
        self.calendar: Final = calendar
        self.stale_after = int(stale_after * NS)
        """Least silence that counts as stale, ns."""
        self.stale_max = int(stale_max * NS)
        """Greatest silence that a slow rhythm excuses, ns."""
        self.accepted = 0
        """Records that passed."""
        self.out_of_sequence = 0
        """Dropped: stamped before one of the same kind that came earlier."""
        self.resequenced = 0
        """Believed although stamped earlier, since nothing else had come for `stale_after`."""
        self.nonpositive = 0
        """Dropped: a price at or below zero where the instrument has none."""
        self.crossed = 0
        self.locked = 0
        self.one_sided = 0
        self.future = 0
        """Stamps further in the future than the venue's clock explains."""
        self._bid: int | None = None
        self._ask: int | None = None
        self._quoted = False
        self._seen = 0
        self._quote_ts = self._trade_ts = 0
        self._behind = 0
        self._skew: int | None = None
        self._venue = MarketState.UNKNOWN
        self._open = False
        self._opened = 0
        self._flip = 0
        self._jumps = JumpFilter()
        self._quiet = self.stale_after / 2
        self.limit = self.stale_after
        """Silence, in ns, beyond which this instrument counts as stale."""

    # -- records

    def on_quote(self, quote: Quote, now: int) -> bool:
        """Takes a quote that arrived at `now`. False: it must not be used."""
        if now >= self._flip:
            self._look_at_calendar(now)
        if quote.ts < self._quote_ts and not self._new_sequence(now):
            return False
        bid, ask = quote.bid, quote.ask
        if not self.instrument.nonpositive_price and (
            (bid is not None and bid <= 0) or (ask is not None and ask <= 0)
        ):
            self.nonpositive += 1
            return False
        if bid is None or ask is None:
            self.one_sided += 1
        else:
            if bid >= ask:
                if bid > ask:
                    self.crossed += 1
                else:
                    self.locked += 1
            if self._open and not self._jumps.believes(bid + ask, abs(ask - bid), now):
                return False
        self._bid, self._ask = bid, ask
        self._quoted = True
        self._quote_ts = quote.ts
        self._measure_lag(now - quote.ts, now)
        self._alive(now)
        return True

    def on_trade(self, trade: Trade, now: int) -> bool:
        """Takes a print that arrived at `now`. False: it must not be used."""
        if now >= self._flip:
            self._look_at_calendar(now)
        if trade.ts < self._trade_ts and not self._new_sequence(now):
            return False
        price = trade.price
        if price <= 0 and not self.instrument.nonpositive_price:
            self.nonpositive += 1
            return False
        if self._open:
            bid, ask = self._bid, self._ask
            spread = 0 if bid is None or ask is None else abs(ask - bid)
            if not self._jumps.believes_print(2 * price, spread, now, leads=not self._quoted):
                return False
        self._trade_ts = trade.ts
        self._alive(now)
        return True

    def on_heartbeat(self, now: int) -> None:
        """The feed says that it is alive and nothing changed; counts as a sign of life."""
        if self._quoted:
            self._alive(now)

    def on_market_state(self, state: MarketState, now: int) -> None:
        """The venue's own word; it goes before the calendar until it says UNKNOWN."""
        self._venue = state
        self._look_at_calendar(now)

    # -- answers

    def is_live(self, now: int) -> bool:
        """True where `state(now).word` is `live`."""
        return self.look(now)[0] == "live"

    def state(self, now: int) -> DataState:
        """How good the data is at `now`."""
        word, age, detail = self.look(now)
        return DataState(word=_SHOWN[word], age=age, limit=self.limit, detail=detail)

    def look(self, now: int) -> tuple[Finding, int | None, str]:
        """What is found, its age and detail, for those who ask with every order."""
        if now >= self._flip:
            self._look_at_calendar(now)
        age = now - self._seen if self._seen else None
        if not self._open:
            return "closed", age, self._why_closed(now)
        if not self._quoted or age is None:
            return "none", age, "no quote yet"
        silent = now - (self._seen if self._seen > self._opened else self._opened)
        if silent > self.limit:
            allowed = f"silent for {silent / NS:.1f} s, its rhythm allows {self.limit / NS:.1f} s"
            return "stale", age, allowed
        if now < self._seen - NS:
            return "stale", age, "the clock stepped back, nothing came since"
        if self._behind > self.stale_after:
            return "behind", age, f"feed is {self._behind / NS:.1f} s behind"
        if self._jumps.doubts:
            return "jump", age, "a jump in price is not confirmed yet"
        if self._bid is None or self._ask is None:
            missing = "no bid" if self._ask is not None else "no offer"
            if self._ask is None and self._bid is None:
                missing = "empty book"
            return "one_sided", age, missing
        if self._bid >= self._ask:
            by = self._bid - self._ask
            return ("crossed", age, f"crossed by {by} ticks") if by else ("locked", age, "locked")
        return "live", age, ""

    def set_stale_after(self, stale_after: float) -> None:
        """Takes over a changed limit (seconds); what was learned of the rhythm stays."""
        self.stale_after = int(stale_after * NS)
        self.limit = self._limited()

    def next_deadline(self, now: int) -> int | None:
        """First moment after `now` at which `state` may change by time alone; None where it will not."""
        if now >= self._flip:
            self._look_at_calendar(now)
        flip = self._flip if self._flip < _NEVER else None
        if not self._open or not self._quoted:
            return flip
        due = max(self._seen, self._opened) + self.limit + 1
        if due <= now:
            return flip
        return due if flip is None else min(due, flip)

    @property
    def counters(self) -> dict[str, int]:
        """All counters by name. `doubted`, `confirmed`, `bad_ticks`: see `JumpFilter`."""
        return {
            "accepted": self.accepted,
            "out_of_sequence": self.out_of_sequence,
            "resequenced": self.resequenced,
            "nonpositive": self.nonpositive,
            "doubted": self._jumps.doubted,
            "confirmed": self._jumps.confirmed,
            "bad_ticks": self._jumps.refuted,
            "crossed": self.crossed,
            "locked": self.locked,
            "one_sided": self.one_sided,
            "future": self.future,
        }

    # -- rhythm and lag

    def _alive(self, now: int) -> None:
        self.accepted += 1
        if self._open:
            since = self._seen if self._seen > self._opened else self._opened
            gap = now - since
            if gap > 0:
                quiet = self._quiet
                quiet -= quiet * gap / FORGET if gap < FORGET else quiet
                learned = gap if gap < self.limit else self.limit
                self._quiet = learned if learned > quiet else quiet
                self.limit = self._limited()
        if now < self._seen and self._opened > now:
            self._opened = now  # the clock stepped back
        self._seen = now

    def _limited(self) -> int:
        least, most = self.stale_after, self.stale_max
        if most < least:
            most = least
        limit = int(2 * self._quiet)
        if limit < least:
            return least
        return limit if limit < most else most

    def _measure_lag(self, offset: int, now: int) -> None:
        """`offset`: engine time − stamp. The least seen is the clocks' skew, what is beyond it is lag."""
        skew = self._skew
        bound = self.stale_after
        if skew is None:
            # How far the venue's clock is off cannot be told from one record: a little is believed.
            skew = min(max(offset, -bound), bound)
        if offset < skew - bound:
            self.future += 1
        elif offset < skew:
            skew = offset
        else:
            # Follows a clock that drifts, by at most 1 ms a second and not at all through silences.
            passed = now - self._seen
            follows = 0 if passed <= 0 else (passed if passed < NS else NS) // 1000
            skew = skew + follows if follows < offset - skew else offset
        self._skew = skew
        self._behind = offset - skew

    def _new_sequence(self, now: int) -> bool:
        """An earlier stamp after a silence starts a new sequence: else one wrong stamp would mute all."""
        if self._seen and now - self._seen > self.stale_after:
            self.resequenced += 1
            self._skew = None
            return True
        self.out_of_sequence += 1
        return False

    # -- sessions

    def _look_at_calendar(self, now: int) -> None:
        venue = self._venue
        if venue is MarketState.UNKNOWN:
            calendar = self.calendar
            is_open = calendar.is_open(now)
            change = calendar.next_change(now)
            flip = self._flip
            known = 0 < flip < _NEVER and calendar.state(flip) is calendar.state(now)
            since = flip if known else now
            self._flip = _NEVER if change is None else change
        else:
            is_open = venue not in _SHUT
            since = now
            self._flip = _NEVER
        if is_open and not self._open:
            self._opened = min(since, now)
            self._jumps.reset()
        self._open = is_open

    def _why_closed(self, now: int) -> str:
        state = self._venue if self._venue is not MarketState.UNKNOWN else self.calendar.state(now)
        words = {
            MarketState.HALTED: "halted by the venue",
            MarketState.PRE_OPEN: "pre-open, the book may be crossed",
        }
        return words.get(state, "market is closed")
