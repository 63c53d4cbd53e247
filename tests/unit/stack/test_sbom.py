"""The bill of materials holds every locked package, and what may not be shipped is refused."""

import json
import re
from pathlib import Path

import pytest

from segloop.errors import InvalidInput
from segloop.stack.sbom import bill, licences
from tests.conftest import ROOT


def test_every_locked_package_is_in_the_bill_with_hash_and_licence(tmp_path: Path) -> None:
    n = bill.write(ROOT, tmp_path / "bom.json")
    found = json.loads((tmp_path / "bom.json").read_text())
    assert (found["bomFormat"], found["specVersion"], len(found["components"])) == ("CycloneDX", "1.6", n)
    references = [one["bom-ref"] for one in found["components"]]
    assert len(set(references)) == len(references)
    locked = re.findall(
        r"^([A-Za-z0-9._-]+)[^=\n]*==([^ ;\\\n]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    assert len(locked) > 100
    for name, version in locked:
        (one,) = [c for c in found["components"] if c["purl"] == f"pkg:pypi/{name.lower()}@{version}"]
        assert one["externalReferences"][0]["hashes"], name
        assert one["licenses"], name
    shipped = {
        c["name"] for c in found["components"] if c["purl"].startswith("pkg:npm") and c["scope"] == "required"
    }
    assert "@niivue/niivue" in shipped and "vite" not in shipped


@pytest.mark.parametrize(
    ("expression", "is_let_in"),
    [
        ("MIT", True),
        ("MIT AND BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-2.0-only", False),
        ("LGPL-3.0-or-later", False),
        (None, False),
    ],
)
def test_gpl_and_the_unknown_are_refused(expression: str | None, is_let_in: bool) -> None:
    assert (licences.refused("some-package", expression) is None) is is_let_in


def test_an_exception_is_for_one_package_and_one_licence() -> None:
    assert licences.refused("psycopg2-binary", "LGPL-3.0-or-later") is None
    assert licences.refused("psycopg2-binary", "GPL-3.0-only") is not None
    assert not any("AGPL" in one or one.startswith("GPL") for one in licences.ALLOWED_FOR.values())


def test_a_bill_with_a_refused_licence_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(licences, "ALLOWED_FOR", {})
    with pytest.raises(InvalidInput) as refused:
        bill.write(ROOT, tmp_path / "bom.json")
    assert refused.value.code == "licence_refused" and "psycopg2-binary" in refused.value.message
    assert not (tmp_path / "bom.json").exists()
