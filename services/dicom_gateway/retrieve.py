"""Pull a series by its UIDs from a configured source into the spool: the whole of it, or nothing."""

import re
import threading
from collections.abc import Callable, Mapping

from segloop.errors import InvalidInput, NotFound, Unavailable
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.pull import Awaited, Pull
from services.dicom_gateway.retrieve_dimse import Dimse
from services.dicom_gateway.retrieve_web import fetch_web, probe_web
from services.dicom_gateway.sources import Source, WebSource
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.state_file import kept

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
LONGEST_UID = 64


class Retriever:
    """Pulls from the sources, each asked for no more series at once than it is configured to stand. Thread-safe."""

    def __init__(self, sources: Mapping[str, Source], spool: Spool, awaited: Awaited, *, caller: str) -> None:
        self._sources, self._spool = sources, spool
        self._dimse = Dimse(caller, awaited)
        self._places = {name: threading.BoundedSemaphore(one.concurrent) for name, one in sources.items()}

    def retrieve(
        self,
        source: str,
        study: str,
        series: str,
        decide: Callable[[Entry], Entry] = lambda entry: entry,
    ) -> Entry:
        """Return the spool's entry of a series, closed, with `source` as its caller; pulled again it is the same entry.

        `decide` may say what is to become of a new entry (project, job), before the follower sees it. Blocks while the source is busy with others. The number of instances is checked where the source tells it.

        Raises:
            InvalidInput: `source_unknown`, `uid_invalid`, `source_refuses`, or what is wrong with a file.
            NotFound: `series_unknown_at_source`.
            Unavailable: `source_unavailable`, `source_incomplete`, `spool_full`.
            Conflict: `instance_differs` where an instance is here already with other content.
        """
        peer = self._source(source)
        for uid in (study, series):
            if len(uid) > LONGEST_UID or not _UID.fullmatch(uid):
                raise InvalidInput(
                    "uid_invalid", "Study and series are named by their DICOM UIDs: digits and dots."
                )
        with kept(), self._places[source], Pull(self._spool, study, series) as pull:
            if isinstance(peer, WebSource):
                expected = fetch_web(peer, pull, self._spool.draft)
            else:
                expected = self._dimse.fetch(peer, pull)
            _require_all(pull, expected, source)
            return self._spool.add_series(source, series, pull.files, decide)

    def probe(self, source: str) -> None:
        """Check that a source can be reached and lets us in: QIDO-RS or C-ECHO.

        Raises:
            InvalidInput: `source_unknown`, `source_refuses`.
            Unavailable: `source_unavailable`.
        """
        peer = self._source(source)
        if isinstance(peer, WebSource):
            probe_web(peer)
        else:
            self._dimse.echo(peer)

    def _source(self, name: str) -> Source:
        try:
            return self._sources[name]
        except KeyError:
            raise InvalidInput(
                "source_unknown", "There is no such source in the gateway's configuration."
            ) from None


def _require_all(pull: Pull, expected: int | None, source: str) -> None:
    if expected == 0 or (not expected and not len(pull)):
        raise NotFound("series_unknown_at_source", f"{source} has no such series. Check the UIDs.")
    if expected is not None and len(pull) < expected:
        raise Unavailable(
            "source_incomplete", f"{source} gave {len(pull)} of {expected} instances. Pull the series again."
        )
