"""The alert rules, the scrape configuration and the dashboard agree with Prometheus and with our metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from crontopus_app.base.db import reading
from crontopus_app.operations import server_metrics, tenant_metrics
from crontopus_app.programs import frontend
from tests.cast import NOON, join

DEPLOY = frontend.ROOT / "deploy"
RULES, DASHBOARD = DEPLOY / "prometheus" / "alerts.yaml", DEPLOY / "grafana" / "crontopus.json"
TESTED = Path(__file__).parent / "alerts_test.yaml"
BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text())
NAME = re.compile(r"crontopus_\w+")


def promtool(*argv: str) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is missing: run scripts/install-system-parts"
    done = subprocess.run([program, *argv], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Those of the dashboard, with its variables filled in."""
    found = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    return [re.sub(r"\$\w+", ".*", each.replace("$__rate_interval", "5m")) for each in found]


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", str(TESTED))
    tested = {
        case["alertname"] for test in yaml.safe_load(TESTED.read_text())["tests"] for case in test["alert_rule_test"]
    }
    assert tested == {rule["alert"] for rule in rules()}


def test_the_scrape_configuration_is_valid() -> None:
    promtool("check", "config", "--syntax-only", str(DEPLOY / "prometheus" / "prometheus.yaml"))


def test_the_expressions_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions())]
    assert len(recorded) > 15
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    promtool("check", "rules", str(file))


@pytest.fixture
def names(sqlite_db: Engine, redis_url: str) -> set[str]:
    """Of all samples that there are."""
    actor = join("alice").actor
    with reading() as session:
        own = tenant_metrics.metrics(session, actor, NOON)
    found = set[str]()
    for text in (own, server_metrics.metrics(NOON)):
        for family in text_string_to_metric_families(text.decode()):
            found |= {family.name, f"{family.name}_total", f"{family.name}_bucket"}
    return found


def test_only_metrics_that_exist_are_used(names: set[str]) -> None:
    used = [rule["expr"] for rule in rules()] + expressions()
    used += [str(variable.get("definition", "")) for variable in BOARD["templating"]["list"]]
    assert {name for each in used for name in NAME.findall(each)} <= names
