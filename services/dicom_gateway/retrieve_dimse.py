"""Pull a series by C-GET, or by C-MOVE to our own receiver (PS3.4 C.4), after C-FIND told how many instances it has."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind as Find,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet as Get,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove as Move,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from segloop.errors import InvalidInput, NotFound, SegloopError, Unavailable
from segloop.imaging.dicom.series import SYNTAXES
from services.dicom_gateway.c_store import CANNOT_UNDERSTAND, SUCCESS, file_of
from services.dicom_gateway.head import CLASSES
from services.dicom_gateway.pull import Awaited, Pull
from services.dicom_gateway.sources import DimseSource

PENDING = (0xFF00, 0xFF01)
UNKNOWN_DESTINATION = 0xA801
SILENCE_S = 300
"""How long a source may be silent: an archive may have to load a tape."""
LATE_S = 10.0
"""How long instances of a C-MOVE are waited for that come after its last answer."""
UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2")
_REJECTED_FOR_GOOD = 1


@dataclass(frozen=True)
class Dimse:
    """Calls sources as `caller`; `awaited` is where our receiver looks whose an instance is."""

    caller: str
    awaited: Awaited

    def fetch(self, source: DimseSource, pull: Pull) -> int | None:
        """Fetch a series; return how many instances it should have, or None where nobody says.

        Raises:
            NotFound: `series_unknown_at_source`.
            InvalidInput: `source_refuses`, or what is wrong with a file.
            Unavailable: `source_unavailable`, `source_incomplete`.
        """
        told = self._count(source, pull)
        return self._get(source, pull, told) if source.kind == "c-get" else self._move(source, pull, told)

    def echo(self, source: DimseSource) -> None:
        """Do a C-ECHO.

        Raises:
            InvalidInput: `source_refuses`.
            Unavailable: `source_unavailable`.
        """
        with self._association(source, []) as association:
            status = association.send_c_echo()
            if not status or status.Status != 0:
                raise _unavailable(source, "does not answer C-ECHO")

    def _count(self, source: DimseSource, pull: Pull) -> int | None:
        query = _identifier(pull)
        query.NumberOfSeriesRelatedInstances = ""
        with self._association(source, [(Find, None)]) as association:
            if Find not in {one.abstract_syntax for one in association.accepted_contexts}:
                return None
            for status, found in association.send_c_find(query, Find):
                if not status:
                    raise _unavailable(source, "broke off")
                if status.Status in PENDING and found is not None:
                    told = found.get("NumberOfSeriesRelatedInstances")
                    return None if told in (None, "") else int(told)
                if status.Status != 0:
                    return None
        raise NotFound("series_unknown_at_source", f"{source.name} has no such series. Check the UIDs.")

    def _get(self, source: DimseSource, pull: Pull, told: int | None) -> int | None:
        wrong: list[SegloopError | OSError] = []

        def keep(event: Any) -> int:
            try:
                pull.take_pieces(*file_of(event))
            except (SegloopError, OSError) as error:
                wrong.append(error)
                return CANNOT_UNDERSTAND
            return SUCCESS

        # One context for each syntax, compressed ones first: where one offers several, the source may choose to transcode.
        syntaxes = [*sorted(SYNTAXES.difference(UNCOMPRESSED)), *UNCOMPRESSED]
        contexts = [(Get, None), *((kind, [syntax]) for kind in CLASSES for syntax in syntaxes)]
        roles = [build_role(kind, scp_role=True) for kind in CLASSES]
        with self._association(
            source, contexts, needed=Get, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, keep)]
        ) as association:
            expected = _expected(source, association.send_c_get(_identifier(pull), Get), told, self.caller)
        if wrong:
            raise wrong[0]
        return expected

    def _move(self, source: DimseSource, pull: Pull, told: int | None) -> int | None:
        with (
            self.awaited.awaiting(pull, source.aet),
            self._association(source, [(Move, None)], needed=Move) as association,
        ):
            answers = association.send_c_move(_identifier(pull), self.caller, Move)
            expected = _expected(source, answers, told, self.caller)
            end = time.monotonic() + LATE_S
            while expected is not None and len(pull) < expected and time.monotonic() < end:
                time.sleep(0.05)
        return expected

    @contextmanager
    def _association(
        self, source: DimseSource, contexts: Sequence[tuple[Any, Any]], *, needed: Any = None, **options: Any
    ) -> Iterator[Any]:
        ae = AE(ae_title=self.caller)
        ae.acse_timeout, ae.dimse_timeout, ae.network_timeout, ae.connection_timeout = (
            30,
            SILENCE_S,
            SILENCE_S,
            15,
        )
        # Verification, too: a source that takes nothing else can be told from one that is away.
        for abstract, transfers in [(Verification, None), *contexts]:
            ae.add_requested_context(abstract, transfers) if transfers else ae.add_requested_context(abstract)
        secure = None if source.tls is None else (source.tls.client(), source.host)
        try:
            found = ae.associate(source.host, source.port, ae_title=source.aet, tls_args=secure, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise _unavailable(source, "can't be reached as the configuration says") from error
        try:
            if not found.is_established:
                answer: Any = found.acceptor.primitive
                if found.is_rejected and getattr(answer, "result", None) == _REJECTED_FOR_GOOD:
                    raise _refuses(source, f"rejects {self.caller}")
                raise _unavailable(source, "can't be reached, or is busy")
            if needed is not None and needed not in {one.abstract_syntax for one in found.accepted_contexts}:
                raise _refuses(source, f"gives nothing by {source.kind.upper()}")
            yield found
        except (
            RuntimeError,
            ValueError,
            AttributeError,
        ) as error:  # it is gone, or its answers make no sense
            raise _unavailable(source, "broke off") from error
        finally:
            if found.is_established:
                found.release()


def _identifier(pull: Pull) -> Dataset:
    found = Dataset()
    found.QueryRetrieveLevel = "SERIES"
    found.StudyInstanceUID, found.SeriesInstanceUID = pull.study, pull.series
    return found


def _expected(source: DimseSource, answers: Iterator[Any], told: int | None, caller: str) -> int | None:
    """Follow a C-GET or C-MOVE to its end; return how many instances there should be."""
    last: Any = None
    for status, _ in answers:
        last = status
    if not last:
        raise Unavailable("source_incomplete", f"{source.name} broke off. Pull the series again.")
    if last.Status == UNKNOWN_DESTINATION:
        raise _refuses(source, f"does not know {caller} as a place to send to")
    counts = [
        int(last.get(f"NumberOf{which}Suboperations") or 0)
        for which in ("Completed", "Warning", "Failed", "Remaining")
    ]
    if last.Status != 0 and not 0xB000 <= last.Status <= 0xBFFF and not any(counts):
        raise _unavailable(source, f"answers with status {last.Status:04X}")
    return told if told is not None else (sum(counts) or None)


def _refuses(source: DimseSource, what: str) -> InvalidInput:
    return InvalidInput("source_refuses", f"{source.name} {what}. Have both sides configured for each other.")


def _unavailable(source: DimseSource, what: str) -> Unavailable:
    return Unavailable("source_unavailable", f"{source.name} {what}. Check its address and that it runs.")
