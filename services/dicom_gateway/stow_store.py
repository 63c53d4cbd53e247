"""One STOW-RS request as its answer tells it: which instances are kept, and why the others are not (PS3.18 10.5)."""

import logging
from dataclasses import dataclass, field
from typing import Any

from segloop.errors import Conflict, InvalidInput
from services.dicom_gateway.head import CLASSES, Head, read_head
from services.dicom_gateway.parts import Part
from services.dicom_gateway.spool import Spool

log = logging.getLogger(__name__)
OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND, CLASS_NOT_SUPPORTED, DUPLICATE = (
    *(0xA700, 0xA900, 0xC000),
    *(0x0122, 0x0111),
)
"""Failure Reasons, with the values that C-STORE gives them."""


@dataclass
class StowAnswer:
    """Grows with each part of a request; `study` is the one that its address names, if any."""

    spool: Spool
    sender: str
    study: str | None
    _kept: list[dict[str, Any]] = field(default_factory=list)
    _failed: list[dict[str, Any]] = field(default_factory=list)
    _unnamed: list[dict[str, Any]] = field(default_factory=list)

    def take(self, part: Part) -> None:
        """Keep a part, or note why not; its file is gone afterwards. Blocks until it is on disk."""
        head = None
        try:
            with part.path.open("rb") as file:
                head = read_head(file)
            reason = self._keep(part, head)
        except InvalidInput:
            reason = CANNOT_UNDERSTAND
        except Conflict:
            reason = DUPLICATE
        except OSError:
            log.error("the spool can't be written")
            reason = OUT_OF_RESOURCES
        finally:
            part.path.unlink(missing_ok=True)
        self._note(head, reason)

    def _keep(self, part: Part, head: Head) -> int:
        if head.sop_class not in CLASSES:
            return CLASS_NOT_SUPPORTED
        head.require_complete()
        if self.study not in (None, head.study):
            return MISMATCH
        if part.is_too_large:
            return OUT_OF_RESOURCES
        self.spool.take(self.sender, head.series, head.instance, part.path, route="stow-rs")
        return 0

    def _note(self, head: Head | None, reason: int) -> None:
        why = {"00081197": {"vr": "US", "Value": [reason]}} if reason else {}
        if reason:
            log.warning("an instance sent by STOW-RS was refused: %04X", reason)
        if head is None or not head.instance or not head.sop_class:
            self._unnamed.append(why)
            return
        named = {
            "00081150": {"vr": "UI", "Value": [head.sop_class]},
            "00081155": {"vr": "UI", "Value": [head.instance]},
        }
        (self._failed if reason else self._kept).append({**named, **why})

    @property
    def status(self) -> int:
        """200 where all is kept, 202 for some, 409 for none."""
        if not self._failed and not self._unnamed and self._kept:
            return 200
        return 202 if self._kept else 409

    @property
    def body(self) -> dict[str, Any]:
        """DICOM JSON: Referenced SOP Sequence, Failed SOP Sequence, and Other Failures of what has no UIDs."""
        sequences = {"00081199": self._kept, "00081198": self._failed, "0008119A": self._unnamed}
        return {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}
