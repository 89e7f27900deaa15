"""Stage shadow in the configuration: what it takes, where its files are, and who must keep away from it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from app import ibrun
from app.ctl import find_state_dir
from app.drill.results import config_fingerprint
from app.options import RunOptions
from app.paths import place_of
from app.promotion import GateClosed, checklist, evidence, pass_gate
from app.sentinel.policy import cannot_act, policy_of
from app.sentinel.venues import venue_of
from app.session import mode_of
from app.settings import Settings, load
from app.shadow import days_served, nothing_to_shadow, shadow_exchange
from app.summary import _shadow
from brokers.exchange.config import FaultConfig
from engine.clock import RealClock
from tests.drill.test_promotion import days, serve

IB = {"BREAKWATER__FEED__SOURCE": "ib-loopback", "BREAKWATER__STAGE": "shadow"}


def settings_of(**env: str) -> Settings:
    return ibrun.practised(load(None, env))


def options_of(tmp_path: Path, feed: str) -> RunOptions:
    return RunOptions(state_dir=tmp_path, config=None, feed=feed)


@pytest.mark.parametrize(
    ("feed", "refused"),
    [
        ("synthetic", True),
        ("replay:x.csv.gz", True),
        ("walk:ES", True),
        ("exchange:", True),
        ("exchange:7001", False),
        ("ib-loopback", False),
        ("ib", False),
    ],
)
def test_only_a_broker_with_market_data_can_be_shadowed(feed: str, refused: bool) -> None:
    plain = Settings()
    source = plain.feed.model_copy(update={"source": feed})
    shadow = plain.model_copy(update={"feed": source, "stage": "shadow"})
    assert bool(nothing_to_shadow(shadow)) is refused
    assert nothing_to_shadow(shadow.model_copy(update={"stage": "paper"})) == ""


def test_its_files_are_its_own() -> None:
    feeds = ("synthetic", "ib", "ib-loopback", "exchange:7001")
    places = {place_of(profile, feed) for profile in ("paper", "live") for feed in feeds}
    shadows = {place_of(profile, feed, "shadow") for profile in ("paper", "live") for feed in feeds[1:]}
    assert shadows == {"shadow-ib", "shadow-ib-loopback", "shadow-exchange"}
    assert not places & shadows


@pytest.mark.parametrize("by", ["file", "environment"])
def test_ctl_finds_the_shadow_by_its_configuration(by: str, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    config = tmp_path / "b.toml"
    config.write_text('[feed]\nsource = "ib"\n' if by == "environment" else 'stage = "shadow"\n')
    if by == "environment":
        env["BREAKWATER__STAGE"] = "shadow"
    args = argparse.Namespace(state_dir=None, config=str(config), feed=None if by == "environment" else "ib")
    assert find_state_dir(args, env) == tmp_path / "breakwater" / "shadow-ib"


def test_it_is_called_shadow_whatever_else_is_set(tmp_path: Path) -> None:
    assert mode_of(settings_of(**IB), options_of(tmp_path, "ib-loopback")) == "SHADOW"
    assert mode_of(Settings(), options_of(tmp_path, "synthetic")) == "PAPER"
    assert mode_of(Settings(), options_of(tmp_path, "replay:x")) == "REPLAY"


@pytest.mark.parametrize("policy", ["", "alert", "cancel", "flatten"])
def test_no_sentinel_ever_acts_at_the_real_account(policy: str, tmp_path: Path) -> None:
    named = {"BREAKWATER__SENTINEL__POLICY": policy} if policy else {}
    settings, options = settings_of(**IB, **named), options_of(tmp_path, "ib-loopback")
    clock: RealClock = RealClock.__new__(RealClock)  # never looked at
    assert policy_of(settings, options) == (policy or "off")
    assert cannot_act(settings, options) and venue_of(settings, options, clock) is None
    live = settings.model_copy(update={"stage": "pilot"})
    assert not cannot_act(live, options) and venue_of(live, options, clock) is not None


def test_either_kind_of_account_may_be_looked_at() -> None:
    shadow = settings_of(**IB)
    assert not ibrun.real_money(shadow)
    assert ibrun.real_money(shadow.model_copy(update={"account": "U7654321"}))
    paper = shadow.model_copy(update={"stage": "paper", "account": "U7654321"})
    assert not ibrun.real_money(paper)


def test_its_exchange_has_no_faults_and_the_brokers_pace() -> None:
    env = {
        "BREAKWATER__PAPER__EXCHANGE__FAULTS__REJECT_NEW": "0.5",
        "BREAKWATER__PAPER__EXCHANGE__ORDER_LATENCY_MS": "7",
    }
    settings = settings_of(**IB, **env)
    exchange = shadow_exchange(settings)
    assert exchange.faults == FaultConfig() and exchange.order_latency_ms == 7
    assert exchange.message_limit == settings.ib.message_limit < settings.paper.exchange.message_limit


def test_its_days_are_looked_for_where_it_runs(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    pilot = settings_of(**IB).model_copy(update={"stage": "pilot"})
    assert tmp_path / "breakwater" / "shadow-ib-loopback" in evidence(pilot, tmp_path / "live", env)


def test_its_gate_asks_what_paper_has_shown_and_no_real_profile(tmp_path: Path) -> None:
    shadow = settings_of(**IB)
    with pytest.raises(GateClosed, match="14 days served in stage paper"):
        pass_gate(shadow, tmp_path, {"HOME": str(tmp_path)}, None)
    with pytest.raises(GateClosed, match="shadow of a real account takes profile = paper"):
        pass_gate(shadow.model_copy(update={"profile": "live"}), tmp_path, {}, None)
    assert config_fingerprint(shadow) == config_fingerprint(shadow.model_copy(update={"stage": "paper"}))


def test_the_summary_says_what_it_was() -> None:
    assert _shadow({}) == []
    (line,) = _shadow({"shadow_days": 1})
    assert "SHADOW: nothing was sent" in line and "1 day served" in line


def test_days_served_as_shadow_are_counted_also_where_none_are_demanded(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    state = tmp_path / "breakwater" / "shadow-ib-loopback"
    serve(state, days(2, stage="shadow", mode="SHADOW", broker="shadow-ib-paper"))
    settings = settings_of(**IB)
    texts = [i.text for i in checklist(settings, state, env) if "stage shadow" in i.text]
    assert texts == ["served in stage shadow, none demanded: 2 so far, 2026-03-02 to 2026-03-03"]
    assert days_served(settings, state, env) == 2
    pilot = settings.model_copy(
        update={"stage": "pilot", "promotion": settings.promotion.model_copy(update={"shadow_days": 3})}
    )
    (item,) = [i for i in checklist(pilot, tmp_path / "live", env) if "stage shadow" in i.text]
    assert not item.met and item.text.startswith("3 days served in stage shadow: 2 so far")
