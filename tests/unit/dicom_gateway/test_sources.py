"""Sources of the configuration: what is not understood is refused at start."""

from pathlib import Path

import pytest

from segloop.errors import InvalidInput
from services.dicom_gateway.config import read_config
from services.dicom_gateway.sources import DimseSource, WebSource

ENV = "SEGLOOP_TEST_SOURCE_SECRET"


def test_sources_of_every_kind_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV, "secret")
    (tmp_path / "g.yaml").write_text(
        f"sources: {{web: {{kind: dicomweb, url: 'https://pacs/dicom-web', bearer_env: {ENV}, concurrent: 4}},"
        " old: {kind: c-get, aet: OLD, host: 10.0.0.1, port: 104}, older: {kind: c-move, aet: OLDER, host: h, port: 1}}"
    )
    sources = read_config(tmp_path / "g.yaml").sources
    web, old = sources["web"], sources["old"]
    assert isinstance(web, WebSource) and (web.web.credential.header, web.concurrent) == ("Bearer secret", 4)
    assert isinstance(old, DimseSource) and (old.kind, old.aet, old.port) == ("c-get", "OLD", 104)
    assert sources["older"].kind == "c-move"


@pytest.mark.parametrize(
    "body",
    [
        "{a: {kind: dicomweb}}",
        "{a: {kind: ftp, url: x}}",
        "{a: {kind: dicomweb, url: 'ftp://x'}}",
        "{a: {kind: dicomweb, url: 'http://x', bearer: in-the-file}}",
        "{a: {kind: dicomweb, url: 'http://x', concurrent: 0}}",
        "{a: {kind: c-get, aet: A, host: h}}",
        "{a: {kind: c-get, aet: A, host: h, port: 104, tls: {ca: /nowhere}}}",
        "{a: {kind: c-get, aet: A, host: h, port: 104, url: 'http://x'}}",
        "[a]",
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, body: str) -> None:
    (tmp_path / "g.yaml").write_text(f"sources: {body}")
    with pytest.raises(InvalidInput) as refused:
        read_config(tmp_path / "g.yaml")
    assert refused.value.code == "gateway_config"
