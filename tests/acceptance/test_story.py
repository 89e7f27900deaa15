"""One grep of the log by correlation id tells an order's whole story; the figures are the journal's."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from app.logsink import SCHEMA
from engine.facts import Executed
from engine.records import FactTaken, NotSentNote, OrderStored, Refused, ReplaceStored, Sent
from tests.acceptance.kit import CHURN, Home
from tests.crash.kit import Story

pytestmark = pytest.mark.slow

Line = dict[str, Any]

OWN_FIELDS = """
[[strategies]]
module = "talker:Talker"
name = "talker"
symbols = ["ES"]
"""


TALKER = """
from engine.strategy.api import Strategy

class Talker(Strategy):
    def on_start(self):
        self.log("said", level="critical", component="risk", event="halted", status="X", ts="1", depth=3)
"""


def log_of(state: Path) -> list[Line]:
    return [json.loads(line) for line in (state / "log" / "breakwater.jsonl").read_text().splitlines()]


def records_of(state: Path) -> list[Any]:
    story = Story(state)
    story.read()
    return story.records


def test_a_grep_by_correlation_id_tells_it_from_the_tick_to_the_position(tmp_path: Path) -> None:
    home = Home(tmp_path, CHURN)
    summary = home.run("synthetic:ES,NQ", "--for", "40s", "--seed", "3")
    lines = log_of(home.state("state"))
    assert all(tuple(line)[: len(SCHEMA)] == SCHEMA for line in lines)
    assert lines[0]["status"] == "STARTED" and lines[0]["feed"] == "synthetic:ES,NQ"
    assert lines[-1]["event"] == "run ended" and lines[-1]["summary"]["digest"] == summary["digest"]
    stories: dict[str | None, list[Line]] = defaultdict(list)
    for line in lines:
        stories[line["correlation_id"]].append(line)
    records = records_of(home.state("state"))
    orders = {r.order.id: r.order for r in records if isinstance(r, OrderStored)}
    replaces = {r.replace.id: r.replace for r in records if isinstance(r, ReplaceStored)}
    traded = {i: o for i, o in orders.items() if o.strategy == "churn"}
    assert len(traded) > 100

    def about(order_id: str) -> list[Line]:
        return stories[orders[order_id].correlation]

    for order_id in traded:
        first = about(order_id)[0]
        assert first["status"] == "INTENT" and first["event"].startswith("intent ")
        assert (first["side"], first["qty"]) == (orders[order_id].side, str(orders[order_id].qty))
        assert first["cause"] and first["bid"] and first["ask"], "the tick that led to it"
    seen: dict[str, int] = defaultdict(int)
    for record in records:
        match record:
            case Sent(order_id=order_id, what=what):
                word = "sent" if what == "submit" else f"{what} sent"
                said = [x for x in about(order_id) if x["order_id"] == order_id and x["event"] == word]
                assert said, f"{what} of {order_id} is not in its story"
                seen[what] += 1
            case Refused(order=order):
                assert any(x["order_id"] == order.id for x in stories[order.correlation])
                seen["refused"] += 1
            case NotSentNote(order_id=order_id):
                assert any("not sent" in x["event"] for x in about(order_id))
            case FactTaken(fact=Executed(fill=fill)) if fill.order_id:
                said = [x for x in about(fill.order_id) if x["exec_id"] == fill.key.exec_id]
                assert [x["event"] for x in said] == ["fill"] and said[0]["position"]
                seen["fill"] += 1
    assert min(seen["submit"], seen["cancel"], seen["replace"], seen["fill"]) > 5, dict(seen)
    assert replaces, "they are told with their new terms"
    for change in replaces.values():
        told = [x for x in about(change.order_id) if x["event"] == "replace sent"]
        assert any(x["qty"] == str(change.qty) for x in told)

    # The figures: shares of what was sent, not of what was asked for.
    sent = [orders[r.order_id] for r in records if isinstance(r, Sent) and r.what == "submit"]
    filled = {
        r.fact.fill.order_id for r in records if isinstance(r, FactTaken) and isinstance(r.fact, Executed)
    }
    for kind, share in summary["fill_rate"].items():
        of_kind = [o.id for o in sent if o.type == kind]
        assert share == round(len(filled & set(of_kind)) / len(of_kind), 3)
    assert set(summary["fill_rate"]) == {str(o.type) for o in sent}
    for stage in ("sent→acknowledged", "acknowledged→first fill", "sent→first fill", "risk period"):
        assert summary["latency"][stage]["count"] > 0
    assert summary["drift"] == {}
    assert summary["strategies"] == {"churn": "stopped: time is up"}


def test_what_a_strategy_logs_never_passes_for_the_engine_s_word(tmp_path: Path) -> None:
    home = Home(tmp_path, OWN_FIELDS)
    (tmp_path / "talker.py").write_text(TALKER)
    home.run("synthetic:ES", "--for", "5s")
    said = [line for line in log_of(home.state("state")) if line["event"] == "said"]
    assert said, "its line was lost"
    assert said[0]["component"] == "strategy.talker"
    assert (said[0]["level"], said[0]["level_"], said[0]["status"]) == ("info", "critical", None)
    assert said[0]["component_"] == "risk" and said[0]["depth"] == "3"


def test_a_strategy_that_was_stopped_is_told_and_exits_so(tmp_path: Path) -> None:
    home = Home(tmp_path, '[[strategies]]\nname = "x"\nmodule = "nowhere:Nope"\nsymbols = ["ES"]\n')
    for run in ("it cannot be loaded", "it is not started again before somebody resumes it"):
        process = home.start("synthetic:ES", "--for", "5s")
        out, _ = process.communicate()
        assert process.returncode == 3, (run, out)
        assert "no module 'nowhere'" in json.loads(out)["strategies"]["x"], run
