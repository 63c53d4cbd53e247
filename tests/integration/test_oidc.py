"""ID tokens at the API: which open a session of whom, and every forged, foreign, old or repeated one that is refused."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient

from segloop.accounts.oidc import keys
from segloop.errors import InvalidInput, Unavailable
from segloop.settings import Settings
from services.api.main import create_app
from tests.provider import CLIENT_ID, NONCE, Provider, serving


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    with serving(made):
        yield made


@pytest.fixture
def trusting(settings: Settings, provider: Provider) -> Settings:
    return replace(
        settings, oidc_issuer=provider.issuer, oidc_client_id=CLIENT_ID, contact="the radiology IT"
    )


@dataclass
class Door:
    """The API, where people try to sign in."""

    http: TestClient
    numbers: Iterator[int]

    def nonce(self) -> str:
        return f"{NONCE}-{next(self.numbers)}"

    def open(self, token: str, nonce: str = NONCE) -> Any:
        headers = {"Authorization": ""}
        return self.http.post("/v1/sessions/oidc", json={"id_token": token, "nonce": nonce}, headers=headers)

    def status(self, key: str) -> int:
        return self.http.get("/v1/me", headers={"Authorization": f"Bearer {key}"}).status_code

    def add(self, name: str, **values: Any) -> None:
        made = self.http.post("/v1/people", json={"name": name, **values})
        assert made.status_code == 201, made.text


def opened(settings: Settings) -> Iterator[Door]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as http:
        yield Door(http, iter(range(int(time.time() * 1000), 2**63)))


@pytest.fixture
def door(trusting: Settings) -> Iterator[Door]:
    yield from opened(trusting)


def test_the_first_sign_in_binds_who_was_added_and_later_ones_need_no_email(
    door: Door, provider: Provider
) -> None:
    door.add("anna", email="Anna@Example.org")
    nonce = door.nonce()
    answer = door.open(provider.token(nonce=nonce, sub="a1"), nonce)
    assert answer.status_code == 201 and answer.headers["cache-control"] == "no-store"
    assert answer.json()["name"] == "anna" and door.status(answer.json()["key"]) == 200
    again = door.nonce()
    token = provider.token(nonce=again, sub="a1", email=None, email_verified=None, aud=[CLIENT_ID])
    assert door.open(token, again).json()["name"] == "anna"
    # An account that took over the address is not she.
    third = door.nonce()
    assert door.open(provider.token(nonce=third, sub="a2"), third).json()["code"] == "person_not_added"
    events = door.http.get("/v1/audit", params={"by": "anna"}).json()["items"]
    actions = [(one["action"], one["detail"].get("by")) for one in events if one["actor"] == "anna"]
    assert actions[-2:] == [("session.begun", "oidc"), ("person.bound", "oidc")]
    refused = door.http.get("/v1/audit", params={"action": "access.refused"}).json()["items"][0]
    assert (refused["object_id"], refused["detail"]["code"]) == (
        "POST /sessions/oidc",
        "person_not_added",
    )


def test_a_new_email_ends_the_binding_and_what_was_signed_in(door: Door, provider: Provider) -> None:
    door.add("bert", email="bert@example.org")
    claims = {"email": "bert@example.org"}
    first = door.nonce()
    key = door.open(provider.token(nonce=first, sub="b1", **claims), first).json()["key"]
    changed = door.http.patch("/v1/people/bert", json={"email": "bert@example.org"}).json()
    assert (changed["email"], changed["issuer"]) == ("bert@example.org", None)
    assert door.status(key) == 401
    other = door.nonce()
    assert door.open(provider.token(nonce=other, sub="b2", **claims), other).json()["name"] == "bert"
    door.add("bella")
    taken = door.http.patch("/v1/people/bella", json={"email": "BERT@example.org"})
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
    twice = door.http.post("/v1/people", json={"name": "bo", "email": "bert@example.org"})
    assert (twice.status_code, twice.json()["code"]) == (409, "email_taken")


def test_an_email_counts_only_where_somebody_vouches_for_it(trusting: Settings, provider: Provider) -> None:
    found = {}
    for trusted in (False, True):
        for door in opened(replace(trusting, oidc_trust_email=trusted)):
            for verified in (True, "true", False, "false", None, "maybe", 1.5):
                nonce = door.nonce()
                email = f"c{nonce}@example.org"
                door.add(f"c{nonce}", email=email)
                token = provider.token(nonce=nonce, sub=nonce, email=email, email_verified=verified)
                answer = door.open(token, nonce).json()
                found[trusted, verified] = answer.get("code", "signed in")
    opens = {(False, True), (False, "true"), (True, True), (True, "true"), (True, None)}
    assert found == {case: "signed in" if case in opens else "email_not_verified" for case in found}


def test_an_unknown_person_is_told_whom_to_ask(door: Door, provider: Provider) -> None:
    nonce = door.nonce()
    answer = door.open(provider.token(nonce=nonce, sub="d1", email="dirk@example.org"), nonce)
    assert (answer.status_code, answer.json()["code"]) == (403, "person_not_added")
    assert "the radiology IT" in answer.json()["detail"] and "example.org" not in answer.text
    assert "dirk" not in json.dumps(door.http.get("/v1/people").json())


def test_people_can_be_made_at_their_first_sign_in_and_may_nothing(
    trusting: Settings, provider: Provider
) -> None:
    for door in opened(replace(trusting, oidc_create_people=True)):
        door.add("eva@example.org")
        for subject, email, name in (
            ("e0", "emil@example.org", "emil@example.org"),
            ("e1", "eva@example.org", None),
        ):
            nonce = door.nonce()
            answer = door.open(provider.token(nonce=nonce, sub=subject, email=email, name="E. E."), nonce)
            assert answer.status_code == 201, answer.text
            assert answer.json()["name"] == (name or answer.json()["name"])
            assert answer.json()["name"] != "eva@example.org"  # somebody else's
            headers = {"Authorization": f"Bearer {answer.json()['key']}"}
            me = door.http.get("/v1/me", headers=headers).json()
            assert (me["projects"], me["is_site_admin"], me["permissions"]) == ([], False, [])
            assert door.http.get("/v1/projects/default", headers=headers).status_code == 404


def test_who_is_switched_off_is_out_at_once_and_does_not_come_back(door: Door, provider: Provider) -> None:
    door.add("finn", email="finn@example.org")
    claims = {"sub": "f1", "email": "finn@example.org"}
    nonce = door.nonce()
    key = door.open(provider.token(nonce=nonce, **claims), nonce).json()["key"]
    signed = {"Authorization": f"Bearer {key}"}
    assert door.http.put("/v1/projects/default/members/finn", json={"role": "viewer"}).status_code == 200
    assert door.http.get("/v1/projects/default", headers=signed).status_code == 200
    door.http.delete("/v1/projects/default/members/finn")
    assert door.http.get("/v1/projects/default", headers=signed).status_code == 404
    door.http.patch("/v1/people/finn", json={"is_on": False})
    assert door.status(key) == 401
    again = door.nonce()
    answer = door.open(provider.token(nonce=again, **claims), again)
    assert (answer.status_code, answer.json()["code"]) == (403, "person_off")


def _none(provider: Provider) -> str:
    header, payload, _ = provider.token().split(".")
    changed = json.loads(base64.urlsafe_b64decode(header + "==")) | {"alg": "none"}
    return f"{_encode(json.dumps(changed).encode())}.{payload}."


def _by_public_key(provider: Provider) -> str:
    """Signed by HMAC with the public key as its secret."""
    public = next(iter(provider.keys.values())).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    payload = provider.token().split(".")[1]
    head = _encode(json.dumps({"alg": "HS256", "kid": next(iter(provider.keys))}).encode())
    signature = hmac.new(pem, f"{head}.{payload}".encode(), hashlib.sha256).digest()
    return f"{head}.{payload}.{_encode(signature)}"


def _changed(provider: Provider) -> str:
    header, payload, signature = provider.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{_encode(json.dumps(claims | {'sub': 'admin'}).encode())}.{signature}"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


STRANGER = rsa.generate_private_key(65537, 2048)
WEAK = rsa.generate_private_key(65537, 1024)
FORGED: dict[str, Callable[[Provider], str]] = {
    "not a token": lambda _: "x.y.z",
    "nothing": lambda _: "..",
    "nested too deep": lambda _: _encode(b"[" * 14_000) + ".e30.AAAA",
    "alg that is a list": lambda _: _encode(b'{"alg":[]}') + ".e30.AAAA",
    "a name that no database takes": lambda p: p.token(sub="\x00"),
    "alg none": _none,
    "HS256 with the public key": _by_public_key,
    "changed": _changed,
    "another's key": lambda p: p.token(key=STRANGER),
    "unknown kid": lambda p: p.token(key=STRANGER, key_id="unknown"),
    "no kid, another's key": lambda p: p.token(key=STRANGER, key_id=None),
    "aud": lambda p: p.token(aud="another"),
    "aud without us": lambda p: p.token(aud=["another", "third"], azp=CLIENT_ID),
    "several aud without azp": lambda p: p.token(aud=[CLIENT_ID, "another"]),
    "azp": lambda p: p.token(aud=[CLIENT_ID, "another"], azp="another"),
    "azp of one aud": lambda p: p.token(azp="another"),
    "iss": lambda p: p.token(iss="https://another.example.org"),
    "iss with a slash": lambda p: p.token(iss=p.issuer + "/"),
    "no iss": lambda p: p.token(iss=None),
    "no aud": lambda p: p.token(aud=None),
    "no exp": lambda p: p.token(exp=None),
    "no iat": lambda p: p.token(iat=None),
    "no sub": lambda p: p.token(sub=None),
    "no nonce": lambda p: p.token(nonce=None),
    "another's nonce": lambda p: p.token(nonce="another-nonce-that-is-long"),
    "number as nonce": lambda p: p.token(nonce=7),
    "issued in the future": lambda p: p.token(iat=time.time() + 600, exp=time.time() + 900),
    "not yet": lambda p: p.token(nbf=time.time() + 600),
    "text as iat": lambda p: p.token(iat="soon"),
}


def test_what_is_forged_or_not_for_us_is_refused(door: Door, provider: Provider) -> None:
    answers = {name: door.open(make(provider)) for name, make in FORGED.items()}
    found = {name: (answer.status_code, answer.json()["code"]) for name, answer in answers.items()}
    assert found == dict.fromkeys(FORGED, (401, "token_invalid"))
    nonce = door.nonce()  # and one that is not forged comes as far as to be asked who it is
    assert door.open(provider.token(nonce=nonce, sub="nobody"), nonce).status_code == 403


def test_what_is_over_or_was_issued_long_ago_is_refused(door: Door, provider: Provider) -> None:
    now = time.time()
    for ago, left in ((900, -31), (700, 300)):
        answer = door.open(provider.token(iat=now - ago, exp=now + left))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


def test_a_token_signs_in_once(door: Door, provider: Provider) -> None:
    door.add("gina", email="gina@example.org")
    nonce = door.nonce()
    token = provider.token(nonce=nonce, sub="g1", email="gina@example.org")
    assert door.open(token, nonce).status_code == 201
    assert door.open(token, nonce).json()["code"] == "token_used"
    fresh = provider.token(nonce=nonce, sub="g1", exp=time.time() + 299)
    assert door.open(fresh, nonce).json()["code"] == "token_used"


@pytest.mark.filterwarnings(
    "ignore:The RSA key is 1024 bits long"
)  # says the library to whoever signs with it
def test_a_key_that_is_too_short_signs_nobody_in(door: Door, settings: Settings) -> None:
    weak = Provider(keys={})
    weak.keys = {"weak": WEAK}
    with serving(weak):
        for other in opened(replace(settings, oidc_issuer=weak.issuer, oidc_client_id=CLIENT_ID)):
            assert other.open(weak.token()).json()["code"] == "token_invalid"


def test_a_key_of_another_kind_is_taken_and_a_rotated_one_is_fetched_at_most_so_often(
    door: Door, provider: Provider
) -> None:
    door.add("hugo", email="hugo@example.org")

    def sign_in(**given: Any) -> int:
        nonce = door.nonce()
        token = provider.token(nonce=nonce, sub="h1", email="hugo@example.org", **given)
        return int(door.open(token, nonce).status_code)

    asked = provider.asked
    assert [sign_in(), sign_in(), sign_in(key_id=None)] == [201] * 3
    assert provider.asked == asked + 1
    old = provider.keys
    provider.new_key("second", curve=True)
    assert sign_in(algorithm="ES256") == 201 and provider.asked == asked + 2
    # Anybody can name keys that there are not: they don't make us ask again and again.
    assert [sign_in(algorithm="ES256", key_id=f"made-up-{n}") for n in range(5)] == [401] * 5
    assert provider.asked == asked + 2
    # The old key is worth nothing any more.
    ((name, key),) = old.items()
    assert sign_in(key=key, key_id=name) == 401
    provider.new_key("third")


def test_keys_are_fetched_again_after_an_hour_and_a_provider_that_is_away_is_left_alone_a_moment(
    provider: Provider,
) -> None:
    now = [0.0]
    found = keys.KeySet(provider.issuer, clock=lambda: now[0])
    known = next(iter(provider.keys))
    asked = provider.asked
    assert found.find(known) and found.find(known) and provider.asked == asked + 1
    now[0] += keys.KEPT_S + 1
    provider.is_away = True
    with pytest.raises(Unavailable, match="can't be reached") as away:
        found.find(known)
    assert away.value.code == "provider_unavailable"
    provider.is_away = False
    with pytest.raises(Unavailable):
        found.find(known)
    now[0] += keys.RETRY_S + 1
    assert found.find(known) and provider.asked == asked + 2
    assert found.find("unknown") == [] and provider.asked == asked + 3
    now[0] += keys.REFETCH_S + 1
    assert found.find("unknown") == [] and provider.asked == asked + 4


def test_a_provider_that_is_another_or_away_is_said_to_be(door: Door, provider: Provider) -> None:
    provider.said_issuer = "https://another.example.org"
    answer = door.open(provider.token())
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_invalid")
    provider.said_issuer = ""
    assert answer.headers["retry-after"]


def test_without_a_provider_there_is_no_such_door(settings: Settings, provider: Provider) -> None:
    for door in opened(settings):
        answer = door.open(provider.token())
        assert (answer.status_code, answer.json()["code"]) == (404, "provider_not_set")


@pytest.mark.parametrize(("issuer", "client_id"), [("http://login.example.org", "segloop"), ("login.example.org", "segloop"),
    ("https://login.example.org?tenant=1", "segloop"), ("https://login.example.org", "")])  # fmt: skip
def test_a_provider_that_could_be_anybody_is_told_at_start(
    settings: Settings, issuer: str, client_id: str
) -> None:
    with pytest.raises(InvalidInput, match="SEGLOOP_OIDC_"):
        create_app(replace(settings, oidc_issuer=issuer, oidc_client_id=client_id))
