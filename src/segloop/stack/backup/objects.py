"""The objects of a backup: which ones rows name, and copies of them all, out of the store and back into it."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from segloop.errors import NotFound, Unavailable
from segloop.stack.backup.manifest import OBJECTS, Entry, sync
from segloop.storage import ObjectStore, checked_key

COLUMN = "object_key"
"""The column, in any table, whose text is the key of an object; what belongs to it lies beside it."""
ONLY_WHERE = {"upload_parts": "upload_id IN (SELECT id FROM uploads WHERE state = 'open')"}
"""Rows that still name an object, of tables whose other rows are only a record of what was there."""
AT_ONCE = 4


def list_referenced(connection: Connection) -> set[str]:
    """Return every key that a row names, as this connection's transaction sees them; its role must see all rows."""
    found: set[str] = set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_schema, table_name) WHERE column_name = %s AND table_type = 'BASE TABLE'",
            [COLUMN],
        )
        for schema, table in cursor.fetchall():
            query = sql.SQL("SELECT {0} FROM {1}.{2} WHERE {0} IS NOT NULL AND {3}").format(
                sql.Identifier(COLUMN),
                sql.Identifier(schema),
                sql.Identifier(table),
                sql.SQL(ONLY_WHERE.get(table, "true")),
            )
            cursor.execute(query)
            found.update(row[0] for row in cursor.fetchall())
    return found


def copy_out(store: ObjectStore, folder: Path, *, known: Iterable[str]) -> tuple[dict[str, Entry], set[str]]:
    """Copy every object that the store lists, and the `known` ones, below a folder; return what was copied and what was not there.

    An object that is deleted meanwhile counts as not there; none ever changes.
    """
    listed = {found.key for found in store.list_("")}

    def one(key: str) -> tuple[str, Entry | None]:
        target = folder / OBJECTS / checked_key(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            with target.open("xb") as file:
                for chunk in store.open(key):
                    digest.update(chunk)
                    file.write(chunk)
                size = file.tell()
        except NotFound:
            target.unlink()
            return key, None
        sync(target)
        return key, Entry(digest.hexdigest(), size)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(pool.map(one, sorted(listed | set(known))))
    copied = {key: entry for key, entry in found.items() if entry is not None}
    return copied, set(found) - set(copied)


def copy_in(store: ObjectStore, folder: Path, objects: Iterable[str]) -> None:
    """Put copies back under their keys; those of a restore that was broken off are put again."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda key: store.put_file(key, folder / OBJECTS / checked_key(key)), objects))


def check(store: ObjectStore, objects: dict[str, Entry], referenced: Iterable[str]) -> None:
    """Check that the store gives back every object as it was copied, and has each that a row names.

    Raises:
        Unavailable: `objects_missing`, with the first keys.
    """

    def is_whole(key: str) -> bool:
        digest = hashlib.sha256()
        try:
            for chunk in store.open(key):
                digest.update(chunk)
        except NotFound:
            return False
        return key not in objects or digest.hexdigest() == objects[key].sha256

    with ThreadPoolExecutor(AT_ONCE) as pool:
        keys = sorted({*objects, *referenced})
        bad = [key for key, whole in zip(keys, pool.map(is_whole, keys), strict=True) if not whole]
    if bad:
        raise Unavailable(
            "objects_missing", f"{len(bad)} stored files are missing or differ, such as {', '.join(bad[:3])}."
        )
