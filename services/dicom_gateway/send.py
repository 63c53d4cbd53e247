"""Send a result to a PACS by C-STORE, and ask it afterwards whether it is there."""

from io import BytesIO

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find  # type: ignore[attr-defined]
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from segloop.errors import InvalidInput, Unavailable
from services.dicom_gateway.config import Destination

PENDING = (0xFF00, 0xFF01)


def send(body: bytes, destination: Destination, *, caller: str) -> str:
    """Store an object at a destination, look for it there by C-FIND, and return "verified", or "sent" where it can't be asked.

    Sending the same object again is harmless: it is the same to the byte.

    Raises:
        InvalidInput: `destination_refuses` where it takes no such objects, or refuses this one for good.
        Unavailable: `destination_unavailable`, `destination_busy`, or `delivery_not_found` where it said success and has nothing.
    """
    found = pydicom.dcmread(BytesIO(body))
    ae = AE(ae_title=caller)
    ae.acse_timeout, ae.dimse_timeout, ae.network_timeout, ae.connection_timeout = 30, 120, 120, 15
    ae.add_requested_context(found.SOPClassUID, found.file_meta.TransferSyntaxUID)
    ae.add_requested_context(Find)
    ae.add_requested_context(
        Verification
    )  # so that one which takes nothing of ours can be told from one that is away
    association = ae.associate(destination.host, destination.port, ae_title=destination.aet)
    if not association.is_established:
        raise Unavailable(
            "destination_unavailable", f"{destination.name} can't be reached, or does not know {caller}."
        )
    try:
        accepted = {context.abstract_syntax for context in association.accepted_contexts}
        if found.SOPClassUID not in accepted:
            raise InvalidInput(
                "destination_refuses",
                f"{destination.name} takes no {found.SOPClassUID.name}; send it another form.",
            )
        status = association.send_c_store(found)
        code = status.get("Status") if status else None
        if code is None or 0xA700 <= code <= 0xA7FF:
            raise Unavailable("destination_busy", f"{destination.name} broke off or has no room.")
        if code != 0 and not 0xB000 <= code <= 0xBFFF:  # warnings mean it was stored
            raise InvalidInput(
                "destination_refuses", f"{destination.name} refused the result with status {code:04X}."
            )
        if Find not in accepted:
            return "sent"
        if not _is_there(association, found):
            raise Unavailable(
                "delivery_not_found", f"{destination.name} said success, and does not have the result."
            )
        return "verified"
    except (
        RuntimeError,
        ValueError,
        AttributeError,
    ) as error:  # the association is gone, or its answers make no sense
        raise Unavailable(
            "destination_unavailable", f"{destination.name} broke off in the middle of a delivery."
        ) from error
    finally:
        association.release()


def _is_there(association: object, found: Dataset) -> bool:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(query, keyword, found[keyword].value)
    answers = association.send_c_find(query, Find)  # type: ignore[attr-defined]
    return any(
        status
        and status.Status in PENDING
        and identifier is not None
        and identifier.get("SOPInstanceUID") == found.SOPInstanceUID
        for status, identifier in answers
    )
