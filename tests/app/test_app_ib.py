"""Settings of Interactive Brokers, and the one command that trades at the gateway beside it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app import ibrun
from app.defaults import with_default_strategies
from app.drill.processes import ROOT, short_folder
from app.paths import place_of
from app.problems import BadConfig
from app.settings import Settings, load
from brokers.ib import IbConfig, library
from engine.journal.tools import export

GOOD = """
broker = "ib"
account = "DU1234567"
[feed]
source = "ib"
[ib]
client_id = 7
[ib.contracts.ES]
exchange = "CME"
expiry = "front"
"""


def read(tmp_path: Path, text: str, **env: str) -> Settings:
    path = tmp_path / "breakwater.toml"
    path.write_text(text)
    return load(path, env)


def test_a_configuration_for_ib(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    assert (settings.broker, settings.ib.port, settings.ib.client_id) == ("ib", 4002, 7)
    assert settings.ib.contracts["ES"].expiry == "front"
    assert ibrun.practised(settings) is settings


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('source = "ib"', 'source = "synthetic"'), "both go together"),
        (('broker = "ib"', 'broker = "paper"'), "both go together"),
        (('[ib.contracts.ES]\nexchange = "CME"\nexpiry = "front"\n', ""), "name them in ib.contracts"),
        (('exchange = "CME"\n', ""), "ib.contracts.ES.exchange"),
        (('expiry = "front"', 'expiry = "next"'), "ib.contracts.ES.expiry"),
        (("client_id = 7", "message_limit = 50"), "ib.message_limit"),
        (("client_id = 7", '[[connections]]\nname = "a"'), "one connection"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(BadConfig) as caught:
        read(tmp_path, GOOD.replace(*change))
    assert says in str(caught.value)


def test_practising_brings_account_port_and_contracts(tmp_path: Path) -> None:
    settings = ibrun.practised(read(tmp_path, "", BREAKWATER__FEED__SOURCE="ib-loopback"))
    assert (settings.broker, settings.account, settings.ib.port) == ("ib", ibrun.ACCOUNT, ibrun.PORT)
    assert sorted(settings.ib.contracts) == ["ES", "NQ"]
    assert ibrun.PORT not in (7496, 7497, 4001, 4002) and IbConfig().port == 4002


def test_books_of_ib_and_of_paper_do_not_mix() -> None:
    assert {place_of("paper", f) for f in ("synthetic", "ib", "ib-loopback")} == {
        "paper",
        "ib",
        "ib-loopback",
    }
    assert place_of("live", "ib") == "live"


def test_a_real_account_gets_no_sample_strategies(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    assert with_default_strategies(settings, ["ES", "NQ"], synthetic=False).strategies == ()
    samples = with_default_strategies(settings, ["ES", "NQ"], synthetic=True).strategies
    assert [s.name for s in samples] == ["meanrev", "trend"]
    assert samples[0].params["reduce_only"] is False


@pytest.mark.slow
@pytest.mark.skipif(bool(library.problem()), reason="needs one client library for IB")
def test_one_command_starts_gateway_and_engine_and_trades() -> None:
    with short_folder() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
        command = [sys.executable, "-m", "app.cli", "headless", "--feed", "ib-loopback", "--for", "25s"]
        done = subprocess.run(
            [*command, "--json", "--state-dir", str(folder / "state")],
            cwd=ROOT,
            env={**env, "HOME": str(folder), "BREAKWATER__IB__PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert summary["flat"] and summary["reconciled"] and summary["fills"] > 0
        assert float(summary["fees"]) > 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "the gateway went with its run"
        out = folder / "journal.jsonl"
        export(folder / "state" / "journal.db", out)
        rows = out.read_text().replace(" ", "")
        assert '"broker":"ib-paper"' in rows and '"code":"bust"' not in rows


def test_without_a_gateway_it_says_where_to_look(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "breakwater.toml").write_text(GOOD.replace("client_id = 7", f"port = {port}"))
    command = [sys.executable, "-m", "app.cli", "headless", "--config", str(tmp_path / "breakwater.toml")]
    done = subprocess.run(
        [*command, "--state-dir", str(tmp_path / "state")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    needle = "enable its API" if not library.problem() else "client library"
    assert needle in done.stderr and "breakwater doctor" in done.stderr and "Traceback" not in done.stderr
