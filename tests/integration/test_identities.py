"""The identity store: what is sealed, under which key it opens, and whose series a list of cases shows."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.errors import NotFound, Unavailable
from segloop.identities.store import IdentityStore, open_store
from segloop.imaging.dicom.identity import Identity
from segloop.settings import Settings

CARLA = Identity(patient_name="Canary^Carla", patient_id="PID-4711", accession="ACC-9")


@pytest.fixture
def store(settings: Settings) -> Iterator[IdentityStore]:
    found = open_store(settings)
    assert found is not None
    yield found
    found.engine.dispose()


@pytest.fixture
def project(settings: Settings) -> str:
    engine = open_engine(settings.owner_database_url)
    with transaction(engine) as conn:
        (found,) = conn.execute(text("SELECT id FROM projects LIMIT 1")).one()
    engine.dispose()
    return str(found)


def test_whose_series_it_is_is_kept_apart_from_its_headers_and_sealed(
    store: IdentityStore, project: str
) -> None:
    store.save(b"a zip", identity=CARLA, source_key="both", project_id=project, actor="t")
    store.save(None, identity=replace(CARLA, sex="F"), source_key="refused", project_id=project, actor="t")
    store.save(b"other", source_key="headers only", project_id=project, actor="t")
    found = store.identities(["both", "refused", "headers only", "unknown"])
    assert found == {"both": CARLA, "refused": replace(CARLA, sex="F")}
    assert store.read("both") == b"a zip"
    with pytest.raises(NotFound):
        store.read("refused")
    with transaction(store.engine) as conn:
        rows = conn.execute(text("SELECT sealed FROM identity.texts")).scalars()
        assert not any(b"Canary" in bytes(row) or b"4711" in bytes(row) for row in rows)


def test_the_last_word_on_whose_series_it_is_counts_and_goes_with_the_headers(
    store: IdentityStore, project: str
) -> None:
    store.save(b"zip", identity=CARLA, source_key="said", project_id=project, actor="t")
    corrected = replace(CARLA, patient_name="Canary^Clara")
    store.save(None, identity=corrected, source_key="said", project_id=project, actor="t")
    assert store.identities(["said"])["said"] == corrected
    store.erase("said")
    store.erase("said")
    assert store.identities(["said"]) == {}
    with pytest.raises(NotFound):
        store.read("said")


def test_neither_is_kept_where_one_of_them_cannot_be(store: IdentityStore, project: str) -> None:
    store.save(b"zip", source_key="twice", project_id=project, actor="t")
    with pytest.raises(Exception, match="series_one_per_source"):
        store.save(b"zip", identity=CARLA, source_key="twice", project_id=project, actor="t")
    assert store.identities(["twice"]) == {}


def test_what_is_sealed_opens_for_its_context_and_key_only(
    store: IdentityStore, project: str, caplog: pytest.LogCaptureFixture
) -> None:
    sealed = store.seal(b"1.2.840.1", context="order/7")
    assert b"1.2.840" not in sealed and store.seal(b"1.2.840.1", context="order/7") != sealed
    assert store.unseal(sealed, context="order/7") == b"1.2.840.1"
    other = replace(store, key=bytes(32))
    for keeper, context in ((store, "order/8"), (other, "order/7")):
        with pytest.raises(Unavailable) as caught:
            keeper.unseal(sealed, context=context)
        assert caught.value.code == "identity_sealed"
    with pytest.raises(Unavailable):
        store.unseal(b"short", context="order/7")
    # One kind of entry never opens as another: a text put in the place of another series' text is noticed.
    store.save(None, identity=CARLA, source_key="one", project_id=project, actor="t")
    store.save(None, identity=CARLA, source_key="other", project_id=project, actor="t")
    with transaction(store.engine) as conn:
        conn.execute(
            text(
                "UPDATE identity.texts SET sealed = (SELECT sealed FROM identity.texts WHERE source_key = 'one')"
                " WHERE source_key = 'other'"
            )
        )
    # It is said to be unreadable, in the log, too, and the others are told all the same.
    with caplog.at_level("ERROR"):
        assert store.identities(["other", "one"]) == {"other": None, "one": CARLA}
    assert "identity of other can't be opened" in caplog.text and "Canary" not in caplog.text
    found, are_all = store.search(project, CARLA.patient_id, limit=9)
    assert "one" in found and "other" not in found and not are_all
