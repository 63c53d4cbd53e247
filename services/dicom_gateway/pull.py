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
from services.dicom_gateway.state_file import Piece, sync, write

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

    def take(self, draft: Path) -> bool:
        """Take a file written under a name of the spool's `draft` and return whether it is kept.

        One of another series is dropped, and so is one that comes when the pull is over.

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
                is_ours = head.series == self.series and not self._is_over
                if is_ours:
                    before = self.files.get(head.instance)
                    self.files[head.instance] = draft
                    draft = before if before is not None else self._spool.draft()
            if not is_ours:
                log.warning("an instance came that nobody asked for, and was not taken for a pull")
            return is_ours
        finally:
            draft.unlink(missing_ok=True)

    def take_pieces(self, *pieces: Piece) -> bool:
        """Do as `take` with the pieces of a file, which are on disk when this returns."""
        draft = self._spool.draft()
        try:
            write(draft, pieces)
            sync(draft)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return self.take(draft)

    def __len__(self) -> int:
        with self._lock:
            return len(self.files)


class Awaited:
    """The pulls whose instances come through our own receiver, because a C-MOVE sends them there. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pulls: dict[str, tuple[Pull, str]] = {}

    @contextmanager
    def awaiting(self, pull: Pull, aet: str) -> Iterator[None]:
        """Have the receiver give a series that the source of an AE title sends to this pull until the block ends.

        Where another pull has it sent to itself this one waits for its turn: nobody could tell whose an instance is.
        """
        with self._changed:
            self._changed.wait_for(lambda: pull.series not in self._pulls)
            self._pulls[pull.series] = pull, aet
        try:
            yield
        finally:
            with self._changed:
                del self._pulls[pull.series]
                self._changed.notify_all()

    def pull_of(self, series: str, sender: str, *, is_answer: bool) -> Pull | None:
        """Return the pull that waits for a series from a sender; `is_answer` where that says it answers our C-MOVE.

        It may send from another AE title than it is asked at, if it says so.
        """
        with self._changed:
            pull, aet = self._pulls.get(series, (None, ""))
        return pull if is_answer or sender == aet else None
