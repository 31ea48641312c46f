"""Monitoring files: what they ask for exists, alerts fire when they should, each has its page of what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, FieldConfig
from grafana_foundation_sdk.models.prometheus import Dataquery
from grafana_foundation_sdk.models.stat import Options as StatOptions
from grafana_foundation_sdk.models.timeseries import Options as TimeSeriesOptions

from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import Suspended
from streams.bus import Batch, Lag, Lease, Record
from streams.hosts.metrics import (
    REGISTRY,
    begin_rules,
    begin_topic,
    count_answer,
    count_batch,
    journal_watch,
    show_suspended,
)
from streams.hosts.watching import StoreCollector
from streams.pipeline.reports import Report
from streams.store.intake.senders import Silence, StateCount
from streams.store.operation.condition import Condition, Unsettled
from streams.topics import CLAIMS

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "fundwatch.json").read_text(encoding="utf-8"))
PROMETHEUS = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
ALERTS = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERT_TESTS = ROOT / "tests" / "deploy" / "alerts.test.yml"
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

OF_PROMETHEUS = {"up", "ALERTS"}


@cache
def declared() -> dict[str, set[str]]:
    """Every name that can be asked for, with its labels, as the process and a store that was read serve them."""
    suspended = (Suspended("FW20000001", "stays", "ours.yaml", "check", "no such check", {}),)
    begin_rules(replace(load_rule_set(load_facts()), suspended=suspended))
    begin_topic(CLAIMS)
    journal_watch()
    count_answer("3101", "judged", 0.0)
    count_batch(Batch(Lease("g", CLAIMS, 0, 1), 0, [Record(0, None, b"", "s")]), Report(), 0.0)
    store = StoreCollector()
    now = datetime.now(UTC)
    store.condition = Condition([Lease("g", "t", 0, 1)], 0, 0.0, 1, 0.0, 0, 0.0, 0, 0.0, "hash", 0, 0.0, 0, 0)
    store.account = Unsettled({"dead": 1}, 0)
    store.silence = Silence([StateCount("claim", "quiet", 1)], 0.0)
    store.lags = [Lag("g", "t", 0, 0, 1, None, now)]
    found: dict[str, set[str]] = {}
    for family in (*REGISTRY.collect(), *store.collect()):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        labels = {label for sample in family.samples for label in sample.labels}
        for suffix in suffixes:
            found.setdefault(family.name + suffix, set()).update(labels)
    show_suspended(load_rule_set(load_facts()))
    return found


def asked(expression: str) -> set[str]:
    """The names of metrics in an expression."""
    return set(re.findall(r"\b(?:fundwatch|process)_\w+|\bup\b", expression))


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in ALERTS)
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])
    yield from (note["expr"] for note in DASHBOARD["annotations"]["list"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_metric_that_is_asked_for_is_served_with_its_labels(expression: str) -> None:
    names = declared()
    assert asked(expression)
    assert asked(expression) - OF_PROMETHEUS - names.keys() == set()
    grouped = {label.strip() for part in re.findall(r"by \(([^)]*)\)", expression) for label in part.split(",")}
    matched = set(re.findall(r"[{,]\s*(\w+)\s*[=!]~?\"", expression))
    known = {label for name in asked(expression) & names.keys() for label in names[name]}
    assert (grouped | matched) - known - {"le", "job", "instance"} == set()


def test_every_metric_of_ours_is_described_and_no_other() -> None:
    described = set(re.findall(r"`(fundwatch_\w+)`", PAGE.partition("## 全部指标")[2].partition("\n## ")[0]))
    served = {name for name in declared() if name.startswith("fundwatch_")}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in served}
    assert described == families


def test_every_metric_of_ours_is_watched() -> None:
    watched = {name for expression in expressions() for name in asked(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in watched}
    assert {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in declared() if name.startswith("fundwatch_")
    } - families == set()


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_in_both_languages_what_it_is_and_has_its_page(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert re.search(r"[一-鿿].* / \w", rule["annotations"]["summary"])
    assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{rule['alert'].lower()}"
    section = PAGE.partition(f"\n### {rule['alert']}\n")[2].partition("\n##")[0]
    assert "**Means**" in section
    assert "**Do**" in section


def test_the_page_describes_no_alert_that_is_gone() -> None:
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == [
        name for name in re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) if name in {rule["alert"] for rule in ALERTS}
    ]


def test_every_alert_is_seen_to_fire() -> None:
    cases = ALERT_TESTS.read_text(encoding="utf-8")
    assert [rule["alert"] for rule in ALERTS if rule["alert"] not in cases] == []


def test_jobs_that_are_asked_for_are_scraped() -> None:
    jobs = {job["job_name"] for job in PROMETHEUS["scrape_configs"]}
    named = {job for expression in expressions() for job in re.findall(r'job="([^"]+)"', expression)}
    assert named <= jobs
    assert all(job.startswith("fundwatch-") for job in jobs)
    assert PROMETHEUS["rule_files"] == ["alerts.yml"]


# --- with Prometheus' own tool


@pytest.fixture(scope="module")
def promtool() -> str:
    ours = ROOT / "var" / "tools" / "promtool"
    found = shutil.which("promtool") or (str(ours) if ours.exists() else None)
    if found is None:
        pytest.skip("no promtool: make promtool")
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "--syntax-only", MONITORING / "prometheus.yml"),
        ("check", "rules", MONITORING / "alerts.yml"),
        ("test", "rules", ALERT_TESTS),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_promtool_finds_no_fault(promtool: str, words: tuple[object, ...]) -> None:
    done = subprocess.run([promtool, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "expression", [target["expr"] for panel in PANELS for target in panel["targets"]] + [
        note["expr"] for note in DASHBOARD["annotations"]["list"]
    ]
)  # fmt: skip
def test_every_expression_of_the_dashboard_can_be_parsed(promtool: str, tmp_path: Path, expression: str) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "r", "expr": expression}]}]}))
    done = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- with Grafana's own types


def _kept(given: Any, typed: Any) -> list[str]:
    """Paths of what Grafana's types dropped or changed of a document."""
    if isinstance(given, dict):
        typed = typed if isinstance(typed, dict) else {}
        return [f"{key}.{path}" for key, value in given.items() for path in _kept(value, typed.get(key))]
    if isinstance(given, list):
        lost = [] if isinstance(typed, list) and len(typed) == len(given) else ["length"]
        return lost + [
            f"{n}.{path}" for n, pair in enumerate(zip(given, typed or [], strict=False)) for path in _kept(*pair)
        ]
    return [] if given == typed else ["changed"]


def _through(kind: Any, given: Any) -> Any:
    return json.loads(JSONEncoder().encode(kind.from_json(given)))


def test_grafana_knows_everything_in_the_dashboard() -> None:
    assert _kept(DASHBOARD, _through(Dashboard, DASHBOARD)) == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_grafana_knows_everything_in_a_panel(panel: dict[str, Any]) -> None:
    options = {"stat": StatOptions, "timeseries": TimeSeriesOptions}[panel["type"]]
    assert _kept(panel["options"], _through(options, panel["options"])) == []
    assert _kept(panel["fieldConfig"]["defaults"], _through(FieldConfig, panel["fieldConfig"]["defaults"])) == []
    for target in panel["targets"]:
        assert _kept(target, _through(Dataquery, target)) == []
    assert re.search(r"[一-鿿]", panel["title"] + panel["description"])


def test_panels_do_not_overlap_and_ask_the_provisioned_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    (source,) = _provisioning("datasources/prometheus.yml")["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}


def test_the_dashboard_is_found_where_it_is_mounted() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    (provider,) = _provisioning("dashboards/fundwatch.yml")["providers"]
    mounts = [mount.split(":") for mount in compose["services"]["grafana"]["volumes"]]
    assert ["./deploy/monitoring/grafana/dashboards", provider["options"]["path"], "ro"] in mounts


def _provisioning(name: str) -> dict[str, Any]:
    text = (MONITORING / "grafana" / "provisioning" / name).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_what_scales_and_what_operations_say_asks_for_nothing_else() -> None:
    files = [*(ROOT / "deploy" / "k8s").rglob("*.yaml"), *(ROOT / "docs").glob("*.md")]
    named = {
        name for path in files for name in re.findall(r"\bfundwatch_\w+[a-z]\b(?!_)", path.read_text(encoding="utf-8"))
    }
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in declared()}
    assert "fundwatch_lag_records" in named
    assert named - families - declared().keys() == set()
