"""Where a run puts its state by itself."""

from __future__ import annotations

import pytest

from app.paths import place_of


@pytest.mark.parametrize(
    ("profile", "feed", "place"),
    [
        ("paper", "synthetic", "paper"),
        ("paper", "synthetic:ES,NQ", "paper"),
        ("paper", "exchange:/run/x.sock", "paper"),
        ("live", "synthetic", "live"),
        ("paper", "replay:/data/gc_l5_20230501.csv.gz", "replay-gc_l5_20230501"),
        ("paper", "replay:day.csv", "replay-day"),
        ("paper", "replay:a/one.csv.gz,b/two.csv", "replay-one-two"),
        ("paper", "replay:ESH4=es.mbo.csv.gz", "replay-es.mbo"),
        ("paper", "replay:../..", "replay"),
        ("paper", "replay:sp ace/é:x.csv", "replay-__x"),
    ],
)
def test_a_recording_has_a_place_of_its_own(profile: str, feed: str, place: str) -> None:
    assert place_of(profile, feed) == place
