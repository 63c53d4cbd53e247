"""The configuration names secrets and never holds them; a door without a lock is refused at start."""

from pathlib import Path

import pytest

from segloop.errors import InvalidInput
from services.dicom_gateway.config import Config, read_config
from tests import certificates

ENV = "SEGLOOP_TEST_STOW_SECRET"


def read(folder: Path, body: str) -> Config:
    (folder / "g.yaml").write_text(f"stow: {body}")
    return read_config(folder / "g.yaml")


def test_secrets_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV, "a-token-of-twenty")
    (tmp_path / "password").write_text("a-password-of-it\n")
    pem = certificates.make(tmp_path / "pem")
    stow = read(
        tmp_path,
        f"{{port: 8104, host: 0.0.0.0, tls: {{certificate: {pem}/server.crt, key: {pem}/server.key, ca: {pem}/ca.crt}},"
        f" max_parts: 5, senders: {{A: {{bearer_env: {ENV}}}, B: {{user: b, password_file: {tmp_path}/password}}}}}}",
    ).stow
    assert stow is not None and stow.limits.parts == 5
    assert stow.senders["A"].header == "Bearer a-token-of-twenty"
    assert stow.senders["B"].header == "Basic YjphLXBhc3N3b3JkLW9mLWl0"
    assert "a-token" not in repr(stow) and "a-password" not in repr(stow)


@pytest.mark.parametrize(
    "body",
    [
        "{port: 8104, senders: {}}",
        "{port: 8104}",
        "{port: 8104, senders: {A: {}}}",
        "{port: 8104, senders: {A: {bearer: in-the-file-itself}}}",
        "{port: 8104, senders: {A: {bearer_env: NOT_SET_ANYWHERE}}}",
        "{port: 8104, senders: {A: {bearer_file: /nowhere}}}",
        "{port: 8104, senders: {A: {user: a}}}",
        f"{{port: 8104, senders: {{A: {{bearer_env: {ENV}, user: a, password_env: {ENV}}}}}}}",
        f"{{port: 8104, senders: {{A: {{bearer_env: {ENV}}}, B: {{bearer_env: {ENV}}}}}}}",
        f"{{port: 8104, host: 0.0.0.0, senders: {{A: {{bearer_env: {ENV}}}}}}}",
        f"{{port: 8104, tls: {{certificate: /nowhere}}, senders: {{A: {{bearer_env: {ENV}}}}}}}",
        f"{{port: 8104, senders: {{A: {{bearer_env: {ENV}_SHORT}}}}}}",
    ],
)
def test_an_open_door_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setenv(ENV, "a-token-of-twenty")
    monkeypatch.setenv(f"{ENV}_SHORT", "short")
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, body)
    assert refused.value.code == "gateway_config" and "a-token" not in refused.value.message


def test_plain_http_behind_a_proxy_has_to_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV, "a-token-of-twenty")
    stow = read(
        tmp_path, f"{{port: 1, host: 0.0.0.0, plain_http: true, senders: {{A: {{bearer_env: {ENV}}}}}}}"
    ).stow
    assert stow is not None and not stow.certificates.certificate
