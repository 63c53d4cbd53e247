"""The configurations that we show are ones that the gateway takes."""

import re
from pathlib import Path

import pytest

from services.dicom_gateway.config import read_config
from tests import certificates
from tests.conftest import ROOT


def test_the_example_beside_compose_is_taken() -> None:
    config = read_config(ROOT / "deploy/gateway/gateway.example.yaml")
    assert config.host == "0.0.0.0" and config.port == 11112, "what compose publishes"
    assert [rule.name for rule in config.rules] == ["scouts", "ct"]


def test_the_rules_and_destinations_in_the_docs_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = certificates.make(tmp_path / "keys")
    (tmp_path / "word").write_text("a password of some length")
    monkeypatch.setenv("SEGLOOP_ARCHIVE_TOKEN", "a token of some length")
    blocks = re.findall(
        r"```yaml\n(rules:|destinations:)(.*?)```", (ROOT / "docs/pacs.md").read_text(), re.DOTALL
    )
    text = "".join(f"{name}{rest}" for name, rest in blocks)
    for name, file in (("ca.crt", "ca.crt"), ("us.crt", "client.crt"), ("us.key", "client.key")):
        text = text.replace(name, str(keys / file))
    (tmp_path / "g.yaml").write_text(text.replace("/run/secrets/vna", str(tmp_path / "word")))
    config = read_config(tmp_path / "g.yaml")
    assert set(config.destinations) == {"pacs", "planning", "archive", "vna"} and len(config.rules) == 4
    assert config.rules[0].project is None and config.rules[2].outputs == ("rtstruct",)
