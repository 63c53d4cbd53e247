"""Alert rules and dashboard speak of metrics that exist, and Prometheus' own tool reads the rules."""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

FOLDER = ROOT / "deploy/monitoring"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
METRIC = re.compile(r"segloop_[a-z_]+")


def known() -> set[str]:
    """Return the names of all metrics, as the code that makes them spells them."""
    source = (ROOT / "services/api/metrics.py").read_text()
    names = set(re.findall(r'"(segloop_[a-z_]+)"', source))
    for stem, rest in re.findall(r'f"(segloop_[a-z_]+)\{name\}([a-z_]*)"', source):
        names |= {f"{stem}{name}{rest}" for name in ("used", "total")}
    return names


def test_every_metric_that_is_watched_exists_and_every_one_is_shown() -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    shown = {name for one in expressions for name in METRIC.findall(one)}
    watched = {name for rule in RULES for name in METRIC.findall(rule["expr"])}
    assert len(known()) > 20
    assert watched <= known() and shown == known()


def test_every_alert_says_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)


def test_panels_have_places_and_ids_of_their_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})


@pytest.mark.parametrize(("kind", "file"), [("rules", "rules.yaml"), ("config", "prometheus.yaml")])
def test_prometheus_reads_them(kind: str, file: str) -> None:
    program = shutil.which("promtool")
    if program is None:
        assert os.environ.get("CI") != "true", "CI needs promtool (apt-get install prometheus)"
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    arguments = ["--syntax-only"] if kind == "config" else []
    command = [program, "check", kind, *arguments, str(FOLDER / file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
