"""A series on its way from a source: its files as they come, kept apart from the spool until all are there."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from segloop.errors import InvalidInput
from services.dicom_gateway.head import CLASSES, read_head
from services.dicom_gateway.spool import Spool

log = logging.getLogger(__name__)


class Pull:
    """Files of one series by their instance. Thread-safe; what nobody took out at the end of the `with` block is removed."""

    def __init__(self, spool: Spool, study: str, series: str) -> None:
        self.study, self.series = study, series
        self.files: dict[str, Path] = {}
        self._spool, self._lock, self._is_over = spool, threading.Lock(), False

    def __enter__(self) -> "Pull":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_over = True
            for file in self.files.values():
                file.unlink(missing_ok=True)

    def take(self, draft: Path) -> None:
        """Take a file written under a name of the spool's `draft`; one of another series is dropped.

        Raises:
            InvalidInput: `dicom_unreadable`, `dicom_missing_uid`, or `source_refuses` where the series holds no CT.
        """
        try:
            with draft.open("rb") as file:
                head = read_head(file)
            head.require_complete()
            if head.sop_class not in CLASSES:
                raise InvalidInput("dicom_not_ct", "This series holds no CT images. Choose another series.")
            with self._lock:
                if head.series == self.series and not self._is_over:
                    before = self.files.get(head.instance)
                    self.files[head.instance] = draft
                    draft = before if before is not None else self._spool.draft()
                else:
                    log.warning("an instance came that nobody asked for, and was dropped")
        finally:
            draft.unlink(missing_ok=True)

    def take_bytes(self, body: bytes) -> None:
        """Do as `take` with the bytes of a file."""
        draft = self._spool.draft()
        try:
            draft.write_bytes(body)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        self.take(draft)

    def __len__(self) -> int:
        with self._lock:
            return len(self.files)


class Awaited:
    """The pulls whose instances come through our own receiver, because a C-MOVE sends them there. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pulls: dict[str, Pull] = {}

    @contextmanager
    def awaiting(self, pull: Pull) -> Iterator[None]:
        """Have the receiver give a series to this pull until the block ends.

        Raises:
            InvalidInput: `already_pulled` where another pull waits for it.
        """
        with self._lock:
            if pull.series in self._pulls:
                raise InvalidInput("already_pulled", "This series is being pulled already. Wait for it.")
            self._pulls[pull.series] = pull
        try:
            yield
        finally:
            with self._lock:
                del self._pulls[pull.series]

    def pull_of(self, series: str) -> Pull | None:
        """Return the pull that waits for a series."""
        with self._lock:
            return self._pulls.get(series)
