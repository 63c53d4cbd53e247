"""A volume's copies for the viewer: made after the volume is there, at the latest when somebody asks for one."""

import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore, Lock
from typing import Any

from sqlalchemy import Row

from segloop.database import Engine, transaction
from segloop.errors import InvalidInput, NotFound, SegloopError, Unavailable
from segloop.imaging.pyramid import LEVELS
from segloop.imaging.sandbox import Sandbox
from segloop.storage import ObjectStore
from segloop.volumes import table
from segloop.volumes.levels import key_of
from segloop.volumes.upload import discard

log = logging.getLogger(__name__)
MOST_WAITING = 12
FULL = 0
"""The level without loss of resolution."""


class ViewerCopies:
    """Makes them in the sandbox. Thread-safe; what others make at the same time is the same bytes under the same keys."""

    def __init__(self, engine: Engine, store: ObjectStore, sandbox: Sandbox, scratch: Path) -> None:
        self._engine, self._store, self._sandbox, self._scratch = engine, store, sandbox, scratch
        self._lock, self._making = Lock(), defaultdict[str, Lock](Lock)
        self._waiting = BoundedSemaphore(MOST_WAITING)
        self._later = ThreadPoolExecutor(1, thread_name_prefix="viewer-copies")

    def close(self) -> None:
        """End what is being made, and leave what was not begun to those who will ask for it."""
        self._later.shutdown(cancel_futures=True)

    def make_soon(self, volume: Row[Any]) -> None:
        """Have a new volume's copies made beside other work; should that fail, `require` does it."""
        self._later.submit(self._try, volume)

    def require(self, volume: Row[Any]) -> None:
        """Return when the volume's copies are there.

        Raises:
            NotFound: the volume is gone.
            Unavailable: the store or the reader is not to be had. InvalidInput: `volume_damaged` and what the reader finds.
        """
        if self._are_there(volume):
            return
        if not self._waiting.acquire(blocking=False):  # or all threads of the API would wait here
            raise Unavailable(
                "copies_busy", "The pictures of many CTs are being made; come back in a moment."
            )
        try:
            with self._lock:
                making = self._making[volume.id]
            with making:
                if not self._are_there(volume):
                    self._make(volume)
        except OSError as error:
            text = "The server has no room to make this CT's pictures at the moment; come back later."
            raise Unavailable("scratch_full", text) from error
        finally:
            self._waiting.release()
            with self._lock:
                self._making.pop(volume.id, None)

    def _are_there(self, volume: Row[Any]) -> bool:
        try:
            self._store.stat(f"{key_of(volume, FULL)}.json")  # the last to be stored
        except NotFound:
            return False
        return True

    def _make(self, volume: Row[Any]) -> None:
        scratch = TemporaryDirectory(dir=self._scratch, prefix="segloop-levels-")
        with self._sandbox.place(), scratch as name:
            folder = Path(name)
            self._store.fetch(volume.object_key, folder / "input")
            with (folder / "input").open("rb") as file:
                if file_digest(file, "sha256").hexdigest() != volume.sha256:
                    raise InvalidInput(
                        "volume_damaged",
                        "The stored CT is not the one that was uploaded. Tell operations; upload it again.",
                    )
            self._sandbox.run("levels", folder)
            for level in sorted(LEVELS, reverse=True):
                for suffix in ("", ".json"):
                    self._store.put_file(
                        f"{key_of(volume, level)}{suffix}", folder / f"output/level-{level}{suffix}"
                    )
        try:
            with transaction(self._engine) as conn:
                table.get(conn, volume.id)
        except NotFound:  # erased or taken back meanwhile: whoever did that has looked for its objects before these were there
            discard(self._store, volume.object_key.rpartition("/")[0])
            raise

    def _try(self, volume: Row[Any]) -> None:
        try:
            self.require(volume)
        except SegloopError as error:
            log.warning("viewer copies of volume %s wait until somebody asks: %s", volume.id, error.code)
        except Exception as error:
            log.error("viewer copies of volume %s could not be made: %s", volume.id, type(error).__name__)
