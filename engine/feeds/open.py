"""From what a person writes after `--feed` to a feed."""

from __future__ import annotations

from pathlib import Path

from engine.feeds.decode import OnBad
from engine.feeds.errors import FeedError
from engine.feeds.instruments import Catalogue, catalogue
from engine.feeds.replay import ReplayFeed
from engine.feeds.synthetic import DEFAULT_SYMBOLS, SyntheticFeed

FORMS = "synthetic, synthetic:ES,NQ, replay:FILE or replay:FILE,FILE"


def open_feed(
    spec: str,
    *,
    seed: int,
    start_ns: int,
    on_bad: OnBad = "skip",
    order_by_order: bool = True,
    rate: float = 1.0,
    known: Catalogue | None = None,
) -> ReplayFeed | SyntheticFeed:
    """Makes the feed that `spec` names; `FORMS` lists what it may be.

    `seed`, `start_ns` (UTC ns) and `rate` are for a synthetic market, `on_bad` (what a bad line does) and
    `order_by_order` (use the order-by-order file beside a recording) for a replay. An order-by-order file
    that stands alone is written as SYMBOL=FILE. Raises `FeedError` with the remedy.
    """
    known = known or catalogue()
    kind, _, rest = spec.strip().partition(":")
    if kind == "synthetic":
        symbols = [s.strip() for s in rest.split(",")] if rest.strip() else list(DEFAULT_SYMBOLS)
        return SyntheticFeed(seed, symbols, start_ns, rate=rate, known=known)
    if kind == "replay":
        paths: list[Path] = []
        symbols_of: dict[str, str] = {}
        for part in _parts(rest):
            symbol, path = _named(part)
            paths.append(path)
            if symbol:
                symbols_of[str(path)] = symbol
        return ReplayFeed(
            paths, known.lookup, on_bad=on_bad, order_by_order=order_by_order, symbols=symbols_of
        )
    raise FeedError(f"feed {spec!r} is not known; it may be {FORMS}")


def _parts(rest: str) -> list[str]:
    """The files of a replay; a file whose own name has a comma is taken as it is."""
    if not rest.strip():
        raise FeedError(f"replay: names no file; a feed may be {FORMS}")
    if Path(rest).exists():
        return [rest]
    return [p.strip() for p in rest.split(",") if p.strip()]


def _named(part: str) -> tuple[str, Path]:
    symbol, equals, path = part.partition("=")
    if equals and "/" not in symbol and not Path(part).exists():
        return symbol.strip(), Path(path.strip()).expanduser()
    return "", Path(part).expanduser()
