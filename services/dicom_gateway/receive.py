"""The C-STORE receiver: known callers only, bytes kept as received, on disk before the sender hears success."""

import logging
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    Verification,
)

from segloop.errors import Conflict, InvalidInput
from services.dicom_gateway.c_store import (
    CANNOT_UNDERSTAND,
    DUPLICATE,
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES,
    SUCCESS,
    file_of,
    refusal,
)
from services.dicom_gateway.commitment import Commitments, vouching
from services.dicom_gateway.config import Config
from services.dicom_gateway.head import CLASSES, read_data_set_head
from services.dicom_gateway.pull import Awaited
from services.dicom_gateway.reads import limit
from services.dicom_gateway.spool import Spool, stem_of

log = logging.getLogger(__name__)
MAX_ASSOCIATIONS = 8
MAX_PDU_BYTES = 131_072
"""What DCMTK sends at most; eight times pynetdicom's default, which costs as many turns through its state machine."""


class Receiver:
    """Listens on the configured port from `start` to `stop`. What answers a pull goes there, all else into the spool.

    What PACS vouch for goes to `commitments`.
    """

    def __init__(
        self,
        config: Config,
        spool: Spool,
        awaited: Awaited | None = None,
        *,
        commitments: Commitments | None = None,
    ) -> None:
        self._config, self._spool = config, spool
        self._commitments = Commitments() if commitments is None else commitments
        self._awaited = Awaited() if awaited is None else awaited
        self._server: Any = None

    def start(self) -> None:
        """Take associations in threads of their own.

        Raises:
            OSError: the port is taken.
        """
        ae = AE(ae_title=self._config.aet)
        ae.require_called_aet = True
        ae.maximum_pdu_size = MAX_PDU_BYTES
        ae.maximum_associations = MAX_ASSOCIATIONS
        ae.network_timeout, ae.acse_timeout, ae.dimse_timeout = 60, 30, 60
        ae.add_supported_context(Verification)
        moved_from = [one.aet for one in self._config.sources.values() if one.kind == "c-move"]
        vouchers = vouching(self._config.destinations.values())
        if vouchers:  # they answer on associations of theirs
            ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        known = list(dict.fromkeys([*self._config.callers, *moved_from, *vouchers]))
        if known:  # pynetdicom takes an empty list for everybody
            ae.require_calling_aet = known
            for kind in CLASSES:
                ae.add_supported_context(kind, ALL_TRANSFER_SYNTAXES)
        else:
            log.warning("no caller is configured, so nobody may send")
        self._server = ae.start_server(
            (self._config.host, self._config.port),
            block=False,
            ssl_context=None if self._config.tls is None else self._config.tls.server(),
            evt_handlers=[
                (evt.EVT_CONN_OPEN, lambda event: limit(event.assoc)),
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_RELEASED, lambda event: self._spool.senders.ended(event.assoc, is_whole=True)),
                (evt.EVT_ABORTED, lambda event: self._spool.senders.ended(event.assoc, is_whole=False)),
                (evt.EVT_CONN_CLOSE, lambda event: self._spool.senders.ended(event.assoc, is_whole=False)),
                *self._commitments.handlers,
            ],
        )

    def stop(self) -> None:
        """End all associations."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: Any) -> int | Dataset:
        try:
            return self._keep(event)
        except InvalidInput as error:
            log.warning("an instance was refused: %s", error.code)
            return refusal(CANNOT_UNDERSTAND, error.code)
        except Conflict:
            log.warning("an instance came again with other content, and was refused")
            return refusal(DUPLICATE, "here already, with other content")
        except OSError:
            log.error("the spool can't be written")
            return refusal(OUT_OF_RESOURCES, "the disk is full or can't be written")
        except Exception:  # its text may hold names
            log.warning("an instance could not be understood, and was refused")
            return CANNOT_UNDERSTAND

    def _keep(self, event: Any) -> int | Dataset:
        event.request.DataSet.seek(0)
        head = read_data_set_head(event.request.DataSet, event.context.transfer_syntax)
        head.require_complete()
        if head.instance != str(event.request.AffectedSOPInstanceUID):
            return refusal(CANNOT_UNDERSTAND, "the data set's instance is not the command's")
        caller = str(event.assoc.requestor.ae_title)
        body = file_of(event)
        # Whose C-MOVE it answers (PS3.7 9.1.1.1); who is not asked by one may leave that out, and so do some who are.
        asker = str(event.request.MoveOriginatorApplicationEntityTitle or "").strip()
        is_answer = asker == self._config.aet
        pull = self._awaited.pull_of(head.series, caller, is_answer=is_answer)
        is_pulled = pull is not None and (is_answer or not asker) and pull.take_pieces(*body)
        if caller in self._config.callers and not (is_pulled and is_answer):
            # It is sent to us by itself, or may be: rules decide what becomes of it, whoever pulls the same series.
            self._spool.senders.brought(event.assoc, stem_of(caller, head.series))
            self._spool.store(caller, head.series, head.instance, *body)
        elif not is_pulled:  # it may only send what we asked it for
            return refusal(NOT_AUTHORIZED, "this series was not asked for")
        return SUCCESS
