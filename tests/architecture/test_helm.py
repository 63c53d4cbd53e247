"""The Helm chart agrees with compose file and code. No renderer of Helm's was to be had, so it is NOT RENDERED here.

What is looked at instead: values by their schema, the templates' YAML with every expression replaced by a word, and all names.
"""

import importlib.util
import json
import re
from dataclasses import MISSING, fields
from typing import Any

import jsonschema
import pytest
import yaml
from sqlalchemy import text

from segloop import __version__
from segloop.broker import QueueName
from segloop.database import open_engine, transaction
from segloop.settings import PREFIX, Settings
from tests.architecture import compose, images
from tests.conftest import ROOT

CHART = ROOT / "deploy/helm/segloop"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = {path.name: path.read_text() for path in (CHART / "templates").iterdir()}
EVERYTHING = "\n".join(TEMPLATES.values())
CONTROL = re.compile(r"^\s*\{\{-? *(include|range|end|if|else).*\}\}\s*$", re.MULTILINE)


def documents(name: str) -> list[dict[str, Any]]:
    plain = re.sub(
        r"\{\{-? *if [^}]*\}\}([a-z_]+)\{\{ *else *\}\}[a-z_]+\{\{ *end *\}\}", r"\1", TEMPLATES[name]
    )
    plain = re.sub(r"\{\{[^}]*\}\}", "word", CONTROL.sub("", plain))
    return [one for one in yaml.safe_load_all(plain) if one]


def test_values_fit_their_schema_and_mistakes_do_not() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(VALUES, schema)
    for wrong in (
        VALUES | {"setings": {}},
        VALUES | {"settings": {"TOKEN": "x"}},
        VALUES | {"forwardedAllowIps": ""},
        VALUES | {"segmentation": VALUES["segmentation"] | {"memory": "16 GB"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_versions_images_and_commands_are_those_of_the_compose_file() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == VALUES["image"]["tag"] == __version__
    built = {service["image"] for service in compose.load(compose.secrets())["services"].values()}
    named = set(re.findall(r"registry \}\}/([a-z_]+):", EVERYTHING)) | {"trainer", "worker_gpu"}
    assert {f"segloop/{name}:{__version__}" for name in named} <= built
    assert named <= set(images.DOCKERFILES)
    for module in re.findall(
        r"-m, ([a-z_.]+)",
        EVERYTHING.replace('{{ if eq $queue "training" }}trainer{{ else }}', "").replace("{{ end }}", ""),
    ):
        assert importlib.util.find_spec(module), module
    assert importlib.util.find_spec("services.trainer.drain")


def test_every_variable_is_a_setting_and_each_required_one_is_given() -> None:
    known = {PREFIX + field.name.upper(): field for field in fields(Settings)}
    used = set(re.findall(r"SEGLOOP_[A-Z0-9_]+", EVERYTHING)) | set(VALUES["settings"])
    assert used <= set(known)
    required = {name for name, field in known.items() if field.default is MISSING}
    helper = TEMPLATES["_helpers.tpl"]
    assert required <= set(re.findall(r"SEGLOOP_[A-Z0-9_]+", helper)) | set(VALUES["settings"])


def test_templates_are_kubernetes_objects_without_rights() -> None:
    kinds = []
    for name in sorted(set(TEMPLATES) - {"_helpers.tpl"}):
        for document in documents(name):
            kinds.append(document["kind"])
            assert document["apiVersion"] and document["metadata"]["name"].startswith("segloop")
    assert sorted(kinds) == sorted(
        ["Deployment"] * 3 + ["Service"] * 2 + ["Job", "TriggerAuthentication", "ScaledJob"]
    )
    n_containers = EVERYTHING.count("imagePullPolicy:")
    assert (
        EVERYTHING.count('include "segloop.container"')
        == EVERYTHING.count('include "segloop.pod"')
        == n_containers
    )


def test_kedas_query_counts_what_waits(database_url: str) -> None:
    (query,) = re.findall(r'query: "(.*)"', TEMPLATES["workers.yaml"])
    assert set(re.findall(r'"([a-z]+)" \.Values', TEMPLATES["workers.yaml"])) <= {
        name.value for name in QueueName
    }
    engine = open_engine(database_url, pool_size=1)
    with transaction(engine) as conn:
        statement = text(query.replace("{{ $queue }}", "segmentation"))
        assert conn.execute(statement).scalar_one() == 0
        conn.execute(
            text(
                "INSERT INTO jobs (project_id, created_by, kind, queue, priority)"
                " SELECT id, 'local', 'selftest', 'segmentation', 10 FROM projects"
            )
        )
        assert conn.execute(statement).scalar_one() == 1
        conn.rollback()
    engine.dispose()
