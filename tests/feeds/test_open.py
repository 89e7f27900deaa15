"""From the words after --feed to a feed, and clear refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.feeds.errors import FeedError
from engine.feeds.open import open_feed
from engine.feeds.replay import ReplayFeed
from engine.feeds.synthetic import SyntheticFeed
from engine.model import NS

from .test_replay import GOOD, MBO, play, trade, write, write_mbo

START = 1_760_000_000 * NS


def opened(spec: str, **options: object) -> ReplayFeed | SyntheticFeed:
    return open_feed(spec, seed=1, start_ns=START, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "symbols"),
    [
        ("synthetic", ["ES", "NQ", "GC", "BTCUSDT-PERP"]),
        ("synthetic:", ["ES", "NQ", "GC", "BTCUSDT-PERP"]),
        ("synthetic:ES, NQZ5", ["ES", "NQZ5"]),
        ("synthetic:ES,ES", ["ES"]),
    ],
)
def test_synthetic(spec: str, symbols: list[str]) -> None:
    feed = opened(spec)
    assert isinstance(feed, SyntheticFeed)
    assert [i.symbol for i in feed.instruments] == symbols
    assert feed.start_time() is None and feed.progress() is None


def test_replay_of_several_files_in_order_of_time(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", *GOOD)
    two = write(tmp_path / "b.csv.gz", trade(-1, symbol="NQZ3"), trade(7, symbol="NQZ3"))
    feed = opened(f"replay:{one},{two}")
    assert isinstance(feed, ReplayFeed)
    assert sorted(i.symbol for i in feed.instruments) == ["ESZ3", "NQZ3"]
    sink = play(feed)
    stamps = [e.ts for e in sink.events]
    assert stamps == sorted(stamps) and len(stamps) == len(GOOD) + 2
    assert sink.events[0].symbol == "NQZ3"


def test_replay_with_named_symbol_and_odd_file_names(tmp_path: Path) -> None:
    odd = write(tmp_path / "a,b=c.csv", *GOOD)
    assert opened(f"replay:{odd}").instruments[0].symbol == "ESZ3"
    alone = write_mbo(tmp_path / "x.mbo.csv", *MBO)
    assert opened(f"replay:ESH4={alone}").instruments[0].symbol == "ESH4"


def test_policy_reaches_the_feed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", trade(0), "x", trade(1))
    for policy, count in (("skip", 2), ("stop", 1)):
        feed = opened(f"replay:{path}", on_bad=policy)
        assert isinstance(feed, ReplayFeed)
        assert len(play(feed).events) == count


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "it may be synthetic"),
        ("bloomberg", "it may be synthetic"),
        ("replay:", "names no file"),
        ("replay:/no/such/day.csv", "does not exist"),
        ("synthetic:WAT", "WAT"),
        ("synthetic:CL", "no synthetic market for CL"),
        ("synthetic:ES,,NQ", "''"),
    ],
)
def test_refusals(spec: str, says: str) -> None:
    with pytest.raises(FeedError, match=says):
        opened(spec)
