"""The gateway's configuration: the first rule that fits decides, and what is not understood is refused at start."""

from pathlib import Path

import pytest
from pydicom import Dataset

from segloop.errors import InvalidInput
from services.dicom_gateway.config import read_config
from services.dicom_gateway.destinations import CStore, StowRs, forms_for

GOOD = """
aet: SEGLOOP
callers: [SCANNER, PACS]
quiet_s: 5
destinations:
  pacs: {aet: PACS, host: 127.0.0.1, port: 11113}
rules:
  - {name: scouts, if: {series_description: "(?i)scout|topogram"}, project: null}
  - {name: neck, if: {body_part: NECK, kernel: "^B", fewest_slices: 20}, priority: stat, destinations: [pacs]}
  - {name: the rest, if: {caller: SCANNER}}
"""


def series(**values: object) -> Dataset:
    header = Dataset()
    header.Modality = "CT"
    for keyword, value in values.items():
        setattr(header, keyword, value)
    return header


@pytest.mark.parametrize(
    ("header", "caller", "n_slices", "name"),
    [
        (series(SeriesDescription="Topogram 0.6"), "SCANNER", 2, "scouts"),
        (series(BodyPartExamined="NECK", ConvolutionKernel="B30f"), "PACS", 20, "neck"),
        (series(BodyPartExamined="NECK", ConvolutionKernel=["B30f", "3"]), "PACS", 20, "neck"),
        (series(BodyPartExamined="NECK", ConvolutionKernel="B30f"), "PACS", 19, None),
        (series(BodyPartExamined="NECK"), "SCANNER", 200, "the rest"),
        (series(), "PACS", 200, None),
    ],
)
def test_the_first_rule_that_fits_decides(
    tmp_path: Path, header: Dataset, caller: str, n_slices: int, name: str | None
) -> None:
    (tmp_path / "g.yaml").write_text(GOOD)
    rule = read_config(tmp_path / "g.yaml").rule_for(header, caller=caller, n_slices=n_slices)
    assert (None if rule is None else rule.name) == name


def test_what_is_not_said_has_its_default_and_nobody_may_send(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("")
    config = read_config(tmp_path / "g.yaml")
    assert (config.aet, config.host, config.port, config.callers) == ("SEGLOOP", "127.0.0.1", 11112, ())


@pytest.mark.parametrize(
    "body",
    [
        "callers: [NAME OF MORE THAN SIXTEEN]",
        "callers: ['A\\\\B']",
        "port: 0",
        "port: '104'",
        "quiet_s: 0",
        "settle_s: -1",
        "tls: {}",
        "tls: {certificate: /nowhere, key: /nowhere, ca: /nowhere}",
        "unknown: 1",
        "rules: [{name: a, if: {hospital: x}}]",
        "rules: [{name: a, if: {modality: '('}}]",
        "rules: [{name: a, destinations: [nowhere]}]",
        "rules: [{name: a, priority: urgent}]",
        "rules: [{if: {modality: CT}}]",
        "destinations: {a: {aet: A, host: h}}",
        "destinations: {a: {aet: A, host: h, port: 104, kind: fax}}",
        "destinations: {a: {aet: A, host: h, port: 104, url: 'https://h'}}",
        "destinations: {a: {aet: A, host: h, port: 104, forms: [jpeg]}}",
        "destinations: {a: {aet: A, host: h, port: 104, forms: []}}",
        "destinations: {a: {aet: A, host: h, port: 104, forms: seg}}",
        "destinations: {a: {aet: A, host: h, port: 104, fallback: [fax]}}",
        "destinations: {a: {aet: A, host: h, port: 104, commitment: 1}}",
        "destinations: {a: {aet: A, host: h, port: 104, tls: {ca: /nowhere.pem}}}",
        "destinations: {a: {aet: A, host: h, port: 104, tls: {authority: /nowhere.pem}}}",
        "destinations: {a: {kind: stow-rs}}",
        "destinations: {a: {kind: stow-rs, url: 'ftp://h'}}",
        "destinations: {a: {kind: stow-rs, url: 'https://name:secret@h'}}",
        "destinations: {a: {kind: stow-rs, url: 'https://h', password: secret}}",
        "destinations: {a: {kind: stow-rs, url: 'https://h', bearer_env: SEGLOOP_TEST_NOT_SET}}",
        "destinations: {a: {kind: stow-rs, url: 'https://h', bearer_file: /nowhere}}",
        "destinations: {a: {kind: stow-rs, url: 'https://h', user: me}}",
        "destinations: {a: {kind: stow-rs, url: 'https://h', deflated: always}}",
        "{destinations: {a: {aet: A, host: h, port: 104}}, rules: [{name: r, destinations: [a], outputs: [pdf]}]}",
        "rules: [{name: a, outputs: [fax]}]",
        "destinations: [a]",
        "{",
        "- a",
        "quiet_s: soon",  # from here on found by fuzzing
        "rules: [{name: a, if: {fewest_slices: .inf}}]",
        "[" * 2000,
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, body: str) -> None:
    (tmp_path / "g.yaml").write_text(body)
    with pytest.raises(InvalidInput) as refused:
        read_config(tmp_path / "g.yaml")
    assert refused.value.code == "gateway_config"


def test_destinations_say_what_they_take_and_secrets_are_read_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACS_TOKEN", "t0ken")
    (tmp_path / "word").write_text("first\n")
    (tmp_path / "g.yaml").write_text(f"""
destinations:
  pacs: {{kind: c-store, aet: PACS, host: h, port: 104, forms: [seg, pdf], fallback: [pdf, capture], commitment: true}}
  web: {{kind: stow-rs, url: "https://h/dicom-web", bearer_env: PACS_TOKEN, deflated: never, forms: [labelmap]}}
  basic: {{kind: stow-rs, url: "https://h/", user: me, password_file: {tmp_path / "word"}}}
rules:
  - {{name: all, outputs: [seg, labelmap], destinations: [pacs, web]}}
""")
    config = read_config(tmp_path / "g.yaml")
    pacs, web, basic = config.destinations.values()
    assert isinstance(pacs, CStore) and isinstance(web, StowRs) and isinstance(basic, StowRs)
    assert (pacs.forms, pacs.fallback, pacs.commitment) == (("seg", "pdf"), ("pdf", "capture"), True)
    assert (web.forms, web.deflated, basic.deflated) == (("labelmap",), False, True)
    assert forms_for(pacs, config.rules[0].outputs) == ("seg",)
    assert web.web.client(timeout_s=1).headers["Authorization"] == "Bearer t0ken"
    assert basic.web.credential.user == "me"


def test_a_refusal_tells_no_secret_and_names_the_entry(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("destinations: {a: {kind: stow-rs, url: 'https://h', password: hush}}")
    with pytest.raises(InvalidInput) as refused:
        read_config(tmp_path / "g.yaml")
    assert "'password'" in refused.value.message and "hush" not in refused.value.message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        read_config(tmp_path / "nowhere.yaml")
