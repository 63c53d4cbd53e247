"""Which columns name objects, and keys under a passphrase."""

import pytest

from segloop.database import metadata
from segloop.errors import InvalidInput
from segloop.stack.backup import keys
from segloop.stack.backup.objects import COLUMN
from services.api import main

# Keys that name no object in the store; a run whose checkpoint is not there begins again, so that one is no promise.
OTHER_KEYS = {
    "checkpoint_key",
    "source_key",
    "series_key",
    "study_key",
    "natural_key",
    "idempotency_key",
    "key",
}


def test_every_column_that_names_an_object_is_known_to_the_backup() -> None:
    assert main.create_app  # every table is imported
    named = {column.name for table in metadata.tables.values() for column in table.columns}
    ending = {name for name in named if name == "key" or name.endswith("_key")}
    assert ending - OTHER_KEYS == {COLUMN}


def test_keys_open_with_their_passphrase_and_no_other() -> None:
    sealed = keys.seal({"token": "secret"}, "correct horse battery")
    assert b"secret" not in sealed
    assert keys.unseal(sealed, "correct horse battery") == {"token": "secret"}
    for passphrase, body in (
        ("correct horse batterx", sealed),
        ("correct horse battery", sealed[:-1]),
        ("correct horse battery", b""),
    ):
        with pytest.raises(InvalidInput) as refused:
            keys.unseal(body, passphrase)
        assert refused.value.code == "passphrase_wrong"
    with pytest.raises(InvalidInput):
        keys.seal({}, "short")
