"""The C-STORE receiver: known callers only, bytes kept as received, on disk before the sender hears success."""

import logging
from io import BytesIO
from typing import Any

from pydicom.filewriter import write_file_meta_info
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    Verification,
)

from segloop.errors import Conflict
from services.dicom_gateway.config import Config
from services.dicom_gateway.spool import Spool

log = logging.getLogger(__name__)
SUCCESS, OUT_OF_RESOURCES, DUPLICATE, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0x0111, 0xC000
"""Statuses of C-STORE (PS3.4 B.2.3, PS3.7 C.5)."""
MAX_ASSOCIATIONS = 8


class Receiver:
    """Listens on the configured port from `start` to `stop`."""

    def __init__(self, config: Config, spool: Spool) -> None:
        self._config, self._spool = config, spool
        self._server: Any = None

    def start(self) -> None:
        """Take associations in threads of their own.

        Raises:
            OSError: the port is taken.
        """
        ae = AE(ae_title=self._config.aet)
        ae.require_called_aet = True
        ae.maximum_associations = MAX_ASSOCIATIONS
        ae.network_timeout, ae.acse_timeout, ae.dimse_timeout = 60, 30, 60
        ae.add_supported_context(Verification)
        if self._config.callers:  # pynetdicom takes an empty list for everybody
            ae.require_calling_aet = list(self._config.callers)
            for kind in (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage):
                ae.add_supported_context(kind, ALL_TRANSFER_SYNTAXES)
        else:
            log.warning("no caller is configured, so nobody may send")
        self._server = ae.start_server(
            (self._config.host, self._config.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )

    def stop(self) -> None:
        """End all associations."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: Any) -> int:
        caller = str(event.assoc.requestor.ae_title)
        try:
            header = event.dataset
            series, instance = str(header.SeriesInstanceUID), str(header.SOPInstanceUID)
            if not series or instance != str(event.request.AffectedSOPInstanceUID):
                return CANNOT_UNDERSTAND
            file = BytesIO()
            file.write(bytes(128) + b"DICM")
            write_file_meta_info(file, event.file_meta)  # type: ignore[arg-type]
            file.write(event.request.DataSet.getvalue())
            self._spool.store(caller, series, instance, file.getvalue())
        except Conflict:
            log.warning("an instance came again with other content, and was refused")
            return DUPLICATE
        except OSError:
            log.error("the spool can't be written")
            return OUT_OF_RESOURCES
        except Exception:
            # Whatever a hostile dataset makes of its parser; its text may hold names.
            log.warning("an instance could not be understood, and was refused")
            return CANNOT_UNDERSTAND
        return SUCCESS
