"""A provider that doesn't answer holds up nobody for long."""

import pytest

from segloop.accounts.oidc import discovery, keys
from segloop.errors import Unavailable


def test_after_a_time_out_the_provider_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], []

    def time_out(http: object, url: str) -> None:
        asked.append(url)
        now[0] += discovery.LIMIT_S
        raise discovery.away()

    monkeypatch.setattr(keys, "_get", time_out)
    found = keys.KeySet("https://login.example.org", clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(Unavailable):
            found.find("a")
    assert len(asked) == 1
    now[0] += keys.RETRY_S + 1
    with pytest.raises(Unavailable):
        found.find("a")
    assert len(asked) == 2


def test_who_waits_for_anothers_fetch_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "WAIT_S", 0.01)
    found = keys.KeySet("https://login.example.org")
    with found._lock, pytest.raises(Unavailable) as away:
        found.find("a")
    assert away.value.code == "provider_unavailable"
