"""Settings: what is refused and how it is said, what wins over what, and what live trading takes."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from app.credentials import unsafe
from app.defaults import with_default_strategies
from app.problems import BadConfig
from app.samples import CLASSES, DEFAULTS, MEAN_REVERSION, TREND
from app.settings import (
    LiveRefused,
    Settings,
    confirm_live,
    limits_diff,
    load,
    reload_limits,
)
from engine.config import EngineConfig, RiskLimits


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bw.toml"
    path.write_text(text)
    return path


def complaint(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> str:
    with pytest.raises(BadConfig) as caught:
        load(written(tmp_path, text), env or {})
    return str(caught.value)


def test_nothing_given_is_the_defaults() -> None:
    assert load(None, {}) == Settings()
    assert load(None, {}).engine_config() == EngineConfig()
    assert Settings().profile == "paper"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profle = 'paper'", 'profle: unknown key (value "paper"); did you mean profile?'),
        (
            "[risk]\nmax_positon = 3",
            "risk.max_positon: unknown key (value 3); did you mean risk.max_position?",
        ),
        ("max_position = 3", "max_position: unknown key (value 3); did you mean risk.max_position"),
        ("[risk.instruments.ES]\nmax_positio = 3", "did you mean risk.instruments.ES.max_position?"),
        ("[orders]\nzzz = 1", "orders.zzz: unknown key (value 1); known in orders: answer_after,"),
        (
            "[risk]\nmax_position = '5'",
            'risk.max_position: "5" has the wrong type: text; allowed: whole number',
        ),
        ("[risk]\nmax_position = true", "true has the wrong type: true or false; allowed: whole number"),
        ("[risk]\nmax_position = 1.5", "risk.max_position: 1.5 has the wrong type: a number; allowed: whole"),
        ("[risk]\nmax_position = -1", "-1 is out of range; allowed: whole number 0 to 1000000000"),
        ("[risk]\nwarn_pct = 101", "risk.warn_pct: 101 is out of range; allowed: number above 0 to 100"),
        ("[risk]\nspread_pause = nan", "risk.spread_pause: NaN is no finite number"),
        ("[risk]\nmax_gross = inf", "risk.max_gross: Infinity is no finite number"),
        ("[risk]\nspread_action = 'explode'", "is no choice; allowed: one of refuse, pause, cancel, kill"),
        ("[orders]\nreplace = 'sideways'", "is no choice; allowed: one of in_place, cancel_then_new"),
        ('[desk]\ntheme = "nosuch"', "desk.theme: theme nosuch cannot be read"),
        ('[desk]\nzone = "Chicago"', "desk.zone: there is no time zone 'Chicago'"),
        ("[desk]\nbell = 1", "desk.bell: 1 has the wrong type: a whole number; allowed: true or false"),
        ("risk = 5", "risk: 5 has the wrong type: a whole number; allowed: table"),
        ("[risk]\nallowed = 'ES'", 'risk.allowed: "ES" has the wrong type: text; allowed: list: text'),
        ("[risk]\nallowed = ['E S']", 'risk.allowed[0]: "E S" does not match; allowed: text matching'),
        ("[risk]\nmargin_target_pct = 95", "risk: margin_target_pct must be below margin_flatten_pct"),
        ("[feed]\nspeed = 0", "feed.speed: 0 is out of range; allowed: number above 0 up to 100000"),
        ("[feed]\nspeed = 'fast'", 'feed.speed: "fast"'),
        ("broker = 'okx'", "broker: 'okx' is not built yet; allowed: one of paper, ib"),
        ("broker = 'acme'", "broker: there is no broker 'acme'; allowed: one of paper"),
        ("[[strategies]]\nname = 'a'\nsymbols = ['ES']", "strategies[0].module: is missing; it takes: text"),
        (
            "[[link.maintenance]]\nzone = 'America/New_York'\nend = '00:45'",
            '[0-5]\\d$, such as "23:45"',
        ),
        (
            "[[strategies]]\nname='a'\nmodule='m:C'\nsymbols=['ES']\n[[strategies]]\nname='a'\nmodule='m:C'\n"
            "symbols=['ES']",
            "names must differ; a is there more than once",
        ),
        (
            "[paper.exchange.faults]\nbust = 2",
            "paper.exchange.faults.bust: 2 is out of range; allowed: number 0 to 1",
        ),
        ("x = [", "is no TOML"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    got = complaint(tmp_path, text)
    assert said in got
    assert got.startswith(str(tmp_path / "bw.toml"))


def test_everything_that_is_wrong_is_listed_one_a_line(tmp_path: Path) -> None:
    got = complaint(
        tmp_path,
        "seed = -1\nnope = 1\n[risk]\nmax_position = 'x'\norder_rate = 0\n[log]\nkeep = 0\n",
        {"BREAKWATER__RISK__ORDER_BURST": "0", "BREAKWATER__NOPE__X": "1"},
    ).splitlines()
    keys = sorted(line.split(": ")[1] for line in got)
    assert keys == [
        "log.keep",
        "nope",
        "nope.x",
        "risk.max_position",
        "risk.order_burst",
        "risk.order_rate",
        "seed",
    ]
    assert len(got) == 7


def test_a_hostile_value_stays_on_its_line(tmp_path: Path) -> None:
    got = complaint(tmp_path, 'profile = "a\\nb\\u001b[2J"')
    assert got.count("\n") == 0
    assert "\x1b" not in got


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="there is no such file; 'breakwater init' writes one"):
        load(tmp_path / "none.toml", {})


def test_numbers_are_exact(tmp_path: Path) -> None:
    settings = load(
        written(tmp_path, "[risk]\nmax_gross = 123456789012345678901234.56789\n[fx]\nEUR = 1.10"), {}
    )
    assert settings.risk.max_gross == Decimal("123456789012345678901234.56789")
    assert str(settings.fx["EUR"]) == "1.10"


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    path = written(tmp_path, "seed = 1\n[risk]\nmax_position = 10\norder_rate = 10\n[log]\nkeep = 3\n")
    env = {"BREAKWATER__RISK__MAX_POSITION": "20", "BREAKWATER__SEED": "2", "PATH": "/bin"}
    settings = load(path, env, {"seed": "3", "feed.source": "synthetic:ES"})
    assert (settings.risk.max_position, settings.risk.order_rate, settings.log.keep) == (20, 10, 3)
    assert settings.seed == 3
    assert settings.feed.source == "synthetic:ES"


def test_every_kind_of_key_can_come_from_the_environment() -> None:
    settings = load(
        None,
        {
            "BREAKWATER__DESK__BELL": "false",
            "BREAKWATER__RISK__ALLOWED": "ES, NQ",
            "BREAKWATER__RISK__DAILY_LOSS_PCT": "1.5",
            "BREAKWATER__RISK__INSTRUMENTS__ES__MAX_POSITION": "3",
            "BREAKWATER__FX__EUR": "1.1",
            "BREAKWATER__FEED__SPEED": "max",
            "BREAKWATER__KILL": '{"confirm_reads": 3}',
            "BREAKWATER__STRATEGIES": '[{"module":"m:C","name":"a","symbols":["ES"],"params":{"x":0.5}}]',
        },
    )
    assert settings.desk.bell is False
    assert settings.risk.allowed == ("ES", "NQ")
    assert settings.risk.daily_loss_pct == Decimal("1.5")
    assert settings.risk.instruments["ES"].max_position == 3
    assert settings.fx == {"EUR": Decimal("1.1")}
    assert settings.feed.speed == "max"
    assert settings.kill.confirm_reads == 3
    assert settings.strategies[0].params == {"x": 0.5}
    assert isinstance(settings.strategies[0].params["x"], float)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BREAKWATER__RISK__MAX_POSITON", "1", "did you mean risk.max_position?"),
        ("BREAKWATER__RISK__MAX_POSITION", "many", 'risk.max_position: "many" is no whole number'),
        ("BREAKWATER__RISK__SPREAD_PAUSE", "nan", "is no finite number"),
        ("BREAKWATER__RISK__ALLOWED", "[1", "is no JSON"),
        ("BREAKWATER__KILL", '{"confirm_reads": "3"}', 'kill.confirm_reads: "3" has the wrong type: text'),
        ("BREAKWATER_RISK__MAX_POSITION", "1", "two underscores"),
        ("BREAKWATER_RISK_MAX_POSITION", "1", "two underscores"),
        ("BREAKWATER__SECRETS__BROKER_PASSWORD", "geheim", "BREAKWATER_BROKER_PASSWORD"),
        ("BREAKWATER_BROKER_PASWORD", "geheim", "did you mean BREAKWATER_BROKER_PASSWORD?"),
        ("BREAKWATER_CONFIGG", "/x", "did you mean BREAKWATER_CONFIG?"),
        ("BREAKWATER_STATEDIR", "/x", "did you mean BREAKWATER_STATE_DIR?"),
        ("BREAKWATER_SEED", "3", "did you mean BREAKWATER__SEED?"),
        ("BREAKWATER_PROFILE", "live", "did you mean BREAKWATER__PROFILE?"),
    ],
)
def test_bad_variables_are_named(name: str, value: str, said: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load(None, {name: value})
    assert said in str(caught.value)
    assert f"environment {name}" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_other_variables_of_ours_are_no_mistake() -> None:
    load(None, {"BREAKWATER_CONFIG": "/x", "BREAKWATER_STATE_DIR": "/y", "BREAKWATER_DATA": "/z"})


def test_strategy_parameters_keep_their_type(tmp_path: Path) -> None:
    text = "[[strategies]]\nmodule='m:C'\nname='a'\nsymbols=['ES']\nparams={f=1.0, i=2, b=true, s='1.0'}\n"
    params = load(written(tmp_path, text), {}).strategies[0].params
    assert params == {"f": 1.0, "i": 2, "b": True, "s": "1.0"}
    assert [type(v) for v in params.values()] == [float, int, bool, str]


# ---- secrets


@pytest.mark.parametrize(
    "text",
    [
        "[secrets]\nbroker_password = 'hunter2'",
        "broker_password = 'hunter2'",
        "[log]\napi_key = 'hunter2'",
        "[credentials]\ntoken = 'hunter2'",
    ],
)
def test_secrets_in_the_file_are_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    got = complaint(tmp_path, text)
    assert "BREAKWATER_BROKER_PASSWORD" in got
    assert "hunter2" not in got


def test_secrets_come_from_the_environment_and_a_safe_file(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("# mine\nbroker_password = 'from file'\nbroker_token=t=1\n")
    file.chmod(0o600)
    path = written(tmp_path, f"[credentials]\nfile = '{file}'\n")
    secrets = load(path, {"BREAKWATER_BROKER_PASSWORD": "from env"}).secrets
    assert secrets.broker_password is not None
    assert secrets.broker_password.get_secret_value() == "from env"
    assert secrets.broker_token is not None
    assert secrets.broker_token.get_secret_value() == "t=1"
    assert sorted(secrets.values()) == ["from env", "t=1"]


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    settings = load(None, {"BREAKWATER_BROKER_PASSWORD": "hunter2"})
    assert (
        "hunter2"
        not in repr(settings) + str(settings) + str(settings.model_dump()) + settings.model_dump_json()
    )
    assert "hunter2" not in repr(settings.secrets)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o700])
def test_a_secret_file_that_others_could_use_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secrets"
    file.write_text("broker_password = hunter2\n")
    file.chmod(mode)
    got = complaint(tmp_path, f"[credentials]\nfile = '{file}'\n")
    assert f"chmod 600 {file}" in got
    assert "hunter2" not in got


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_a_secret_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("")
    file.chmod(0o600)
    os.chown(file, 65534, 65534)
    assert "belongs to uid 65534" in unsafe(file)


def test_a_secret_file_with_something_else_in_it(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("broker_password = a\nhunter2\n")
    file.chmod(0o600)
    got = complaint(tmp_path, f"[credentials]\nfile = '{file}'\n")
    assert f"{file}:2: is no 'name = value'" in got
    assert "hunter2" not in got


def test_a_secret_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(b"broker_password = \xff\xfe\n")
    path.chmod(0o600)
    said = complaint(tmp_path, "", {"BREAKWATER__CREDENTIALS__FILE": str(path)})
    assert said == f"{path}: is no text in UTF-8; write lines of 'name = value'"


def test_the_keyring_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    assert "pip install 'breakwater[keyring]'" in complaint(tmp_path, "[credentials]\nkeyring = true\n")


# ---- live


class WithLiveBroker(Settings):
    """As it will be once a broker that trades live is built."""

    broker: Literal["paper", "sim-live"] = "paper"  # type: ignore[assignment]
    built_brokers: ClassVar[tuple[str, ...]] = ("paper", "sim-live")


LIVE = {"profile": '"live"', "broker": '"sim-live"', "account": '"DU123"', "live.account": '"DU123"'}


def live(tmp_path: Path, keys: dict[str, str]) -> WithLiveBroker:
    text = "\n".join(f"{k} = {v}" for k, v in keys.items())
    loaded = load(written(tmp_path, text), {}, model=WithLiveBroker)
    assert isinstance(loaded, WithLiveBroker)
    return loaded


def test_live_takes_all_its_keys_and_a_confirmation(tmp_path: Path) -> None:
    settings = live(tmp_path, LIVE)
    for typed in (None, "", "du123", "PAPER", "yes"):
        with pytest.raises(LiveRefused):
            confirm_live(settings, typed)
    confirm_live(settings, "DU123")


@pytest.mark.parametrize("left_out", LIVE)
def test_no_single_key_is_enough_nor_may_one_be_missing(tmp_path: Path, left_out: str) -> None:
    only = {left_out: LIVE[left_out]}
    rest = {k: v for k, v in LIVE.items() if k != left_out}
    for keys in (only, rest):
        try:
            settings = live(tmp_path, keys)
        except BadConfig:
            continue
        assert settings.profile == "paper"
        with pytest.raises(LiveRefused, match="the profile is paper"):
            confirm_live(settings, "DU123")
        confirm_live(settings, None)


def test_live_is_out_of_reach_while_no_live_broker_is_built(tmp_path: Path) -> None:
    text = "\n".join(f"{k} = {v}" for k, v in LIVE.items())
    assert "there is no broker" in complaint(tmp_path, text)
    assert "needs a broker that trades live" in complaint(tmp_path, text.replace('"sim-live"', '"paper"'))


def test_live_needs_a_journal_that_survives_a_power_cut(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="power cut"):
        live(tmp_path, {**LIVE, "journal.durability": '"process"'})


def test_the_paper_account_is_never_live(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="PAPER is no live account"):
        live(tmp_path, {**LIVE, "account": '"PAPER"', "live.account": '"PAPER"'})


# ---- reload


def test_a_reload_takes_the_limits_or_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "[risk]\nmax_position = 7\n[risk.instruments.ES]\nmax_position = 2\n")
    limits = reload_limits(path, {})
    assert limits.max_position == 7
    assert limits_diff(RiskLimits(), limits) == (
        "max_position: 50 → 7",
        "instruments: {} → {ES: {max_position: 2}}",
    )
    path.write_text("[risk]\nmax_position = 7\n[log]\nkeep = 'many'\n")
    with pytest.raises(BadConfig, match=r"log\.keep"):
        reload_limits(path, {})


# ---- what runs when nothing is configured


def test_help_says_which_samples_run_where() -> None:
    def names(*, synthetic: bool, **fields: object) -> str:
        settings = Settings().model_copy(update=fields)
        made = with_default_strategies(settings, ("ES", "NQ"), synthetic=synthetic).strategies
        return " and ".join(one.name for one in made)

    said = " ".join(DEFAULTS.split())
    assert f"{names(synthetic=True)} on the synthetic market and ib-loopback" in said
    assert names(synthetic=True, broker="ib") == names(synthetic=True), "the practice gateway"
    assert f"{names(synthetic=False)} on a recording and on an exchange process" in said
    assert names(synthetic=False, broker="ib") == names(synthetic=True, profile="live") == ""
    assert "An account at a broker, and live, get none" in said


def test_the_sample_runs_on_paper_only(tmp_path: Path) -> None:
    recorded = with_default_strategies(Settings(), ("GCM3",), synthetic=False).strategies
    assert [(s.module, s.symbols) for s in recorded] == [(CLASSES[MEAN_REVERSION], ("GCM3",))]
    lively = with_default_strategies(Settings(), ("ES", "NQ"), synthetic=True).strategies
    assert [(s.module, s.symbols) for s in lively] == [
        (CLASSES[MEAN_REVERSION], ("ES",)),
        (CLASSES[TREND], ("NQ",)),
    ]
    for strategy in lively:
        module, _, name = strategy.module.partition(":")
        params = getattr(__import__(module, fromlist=[name]), name).Params
        params.model_validate(strategy.params)
    assert with_default_strategies(live(tmp_path, LIVE), ("ES",), synthetic=True).strategies == ()
    own = load(written(tmp_path, "[[strategies]]\nmodule='m:C'\nname='a'\nsymbols=['ES']\n"), {})
    assert with_default_strategies(own, ("NQ",), synthetic=True) is own
