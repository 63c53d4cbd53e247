"""Where webhooks may go: nowhere but to the hosts that operations named."""

import pytest

from segloop.errors import InvalidInput
from segloop.webhooks.address import Target, is_allowed, parse, read_hosts
from segloop.webhooks.send import PAUSES_S, pause_s

HOSTS = read_hosts("hooks.example.org, Intern.example.org:8443,127.0.0.1:9000, localhost:9000, [::1]:9000")


def test_an_allowed_url_is_taken_apart() -> None:
    target = parse("https://hooks.example.org/in?project=1", HOSTS)
    assert target == Target("https", "hooks.example.org", 443, "/in?project=1", False)
    assert target.authority == "hooks.example.org"
    assert parse("https://INTERN.example.org:8443", HOSTS).authority == "intern.example.org:8443"
    assert parse("http://[::1]:9000/x", HOSTS).authority == "[::1]:9000"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://other.example.org/", "webhook_host_not_allowed"),
        ("https://hooks.example.org:8443/", "webhook_host_not_allowed"),
        ("https://hooks.example.org.evil.example/", "webhook_host_not_allowed"),
        ("https://127.0.0.1:9001/", "webhook_host_not_allowed"),
        ("http://169.254.169.254/latest", "webhook_host_not_allowed"),
        ("http://intern.example.org:8443/", "webhook_not_https"),
        ("https://hooks.example.org@evil.example/", "webhook_url_invalid"),
        ("https://me:secret@hooks.example.org/", "webhook_url_invalid"),
        ("https://hooks.example.org/#x", "webhook_url_invalid"),
        ("file:///etc/passwd", "webhook_url_invalid"),
        ("https://hooks.example.org:port/", "webhook_url_invalid"),
        ("https://[::1/", "webhook_url_invalid"),
        ("hooks.example.org", "webhook_url_invalid"),
    ],
)
def test_any_other_url_is_refused(url: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(url, HOSTS)
    assert refused.value.code == code


def test_without_a_list_nothing_is_allowed() -> None:
    with pytest.raises(InvalidInput):
        parse("https://hooks.example.org/", read_hosts(""))


@pytest.mark.parametrize("text", ["https://hooks.example.org", "host/path", "me@host", "host:port", ":443"])
def test_a_list_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_hosts(text)
    assert refused.value.code == "settings_invalid"


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("10.1.2.3", True),
        ("fd12::7", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("255.255.255.255", False),
    ],
)
def test_a_name_on_the_list_must_not_stand_for_this_machine_or_what_clouds_hide(
    address: str, allowed: bool
) -> None:
    assert is_allowed(address, parse("https://hooks.example.org/", HOSTS)) is allowed
    local = parse("http://localhost:9000/", HOSTS)
    assert is_allowed(address, local) is (address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"))


def test_eight_tries_take_a_day() -> None:
    for n, wanted in enumerate(PAUSES_S, start=1):
        pause = pause_s(n)
        assert pause is not None
        assert 0.8 * wanted <= pause <= 1.2 * wanted
    assert (len(PAUSES_S), pause_s(8)) == (7, None)
    assert 23 < sum(PAUSES_S) / 3600 < 25
