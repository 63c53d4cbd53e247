"""How much an association may bring at a time, whoever its peer is: pynetdicom itself takes whatever length is named."""

from typing import Any

from pynetdicom import evt

MOST_PDU_BYTES = 16 << 20
"""Far more than anybody negotiates."""
MOST_MESSAGE_BYTES = 1 << 30
"""A message is held in memory until it is whole; a slice of 512 x 512 takes half a MiB."""


class Reads:
    """Reads one association's socket, as much at a time as is there (pynetdicom: 4 KiB), and breaks off where it is too much."""

    def __init__(self, association: Any) -> None:
        self._connection = association.dul.socket
        self._n_bytes = 0
        self._connection.recv = self._recv

    def message_ended(self) -> None:
        """Note that a message is whole, and that what comes is another's."""
        self._n_bytes = 0

    def _recv(self, n_bytes: int) -> bytearray:
        """Return so many bytes, or fewer where the peer is gone.

        Raises:
            OSError: the connection broke, or has to be broken.
        """
        self._n_bytes += n_bytes
        if n_bytes > MOST_PDU_BYTES or self._n_bytes > MOST_MESSAGE_BYTES:
            raise OSError("the peer sends more than is taken")
        found, n = bytearray(n_bytes), 0
        while n < n_bytes:
            got = self._connection.socket.recv_into(memoryview(found)[n:])
            if not got:
                return found[:n]
            n += got
        return found


def limit(association: Any) -> None:
    """Limit what an association that was just opened may bring."""
    reads = Reads(association)
    association.bind(evt.EVT_DIMSE_RECV, lambda _: reads.message_ended())
