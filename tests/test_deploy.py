"""What is given to Prometheus and Grafana speaks of metrics that exist, and the rules fire when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from hailgate.telemetry import metrics

DEPLOY = Path(__file__).parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "hailgate.rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "hailgate.rules.test.yml"
DASHBOARD = DEPLOY / "grafana" / "hailgate.json"
METRIC = re.compile(r"\bhailgate_[a-z_]+\b(?:\{([^}]*)\})?")


def known() -> dict[str, set[str]]:
    """Names of samples, as Prometheus stores them, with their labels."""
    samples: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            [family] = metric.describe()
            labels = set(metric._labelnames)
            match family.type:
                case "counter":
                    samples[f"{family.name}_total"] = labels
                case "histogram":
                    samples |= {f"{family.name}_bucket": labels | {"le"}}
                    samples |= {f"{family.name}_{each}": labels for each in ("count", "sum")}
                case _:
                    samples[family.name] = labels
    return samples


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("name", "expression"), [pytest.param(*each, id=each[0]) for each in expressions()])
def test_rules_and_dashboard_ask_for_metrics_that_are_there(name: str, expression: str) -> None:
    samples = known()
    for found in METRIC.finditer(expression):
        metric = found.group().partition("{")[0]
        assert metric in samples
        asked = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", found.group(1) or ""))
        assert asked <= samples[metric] | {"job", "instance"}


def test_every_alert_has_a_test_that_sees_it_fire_and_a_place_in_the_guide() -> None:
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    tests = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test.get("alert_rule_test", []) if one["exp_alerts"]}
    guide = (DEPLOY.parent / "docs" / "how-to" / "monitor.md").read_text()
    assert fired == alerts == set(re.findall(r"`(Hailgate\w+)`", guide))


def test_the_rules_fire_and_keep_silent() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool: it is in Debian's package prometheus; `make services` installs it")
    tested = subprocess.run(
        ["promtool", "test", "rules", str(RULE_TESTS)], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
