"""Send by the way that a destination asks for."""

from services.dicom_gateway.commitment import Commitments
from services.dicom_gateway.deliver import Fetch
from services.dicom_gateway.deliveries import Delivery
from services.dicom_gateway.destinations import CStore, Destination
from services.dicom_gateway.send import c_store
from services.dicom_gateway.stow import stow_rs


class Sender:
    """C-STORE or STOW-RS; `caller` is our AE title, and `commitments` what peers vouch for."""

    def __init__(self, caller: str, commitments: Commitments) -> None:
        self._caller, self._commitments = caller, commitments

    def __call__(self, destination: Destination, fetch: Fetch, delivery: Delivery) -> Delivery:
        """Send one form of a result and return its delivery; what is raised is that of `c_store` and `stow_rs`."""
        if isinstance(destination, CStore):
            return c_store(destination, fetch, delivery, caller=self._caller, commitments=self._commitments)
        return stow_rs(destination, fetch, delivery)
