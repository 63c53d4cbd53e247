"""What every result object says of itself: who or what made it, of which mask, and that it is for research."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime

MANUFACTURER, MODEL_NAME = "Segloop", "Segloop"
NOTICE = "Research use only, not a medical device"
_TEXT = 64
"""Characters of DICOM's LO and PN values."""


@dataclass(frozen=True)
class Origin:
    """Where a mask comes from; times in UTC.

    `mask_sha256` is that of its file. `model` and `weights_sha256` are empty where no version made it; `reviewed_by` is who
    vouched for all of it, else empty. `software` is this program's version.
    """

    mask_sha256: str
    made_at: datetime
    software: str
    model: str = ""
    weights_sha256: str = ""
    made_by: str = ""
    reviewed_by: str = ""

    @property
    def is_by_model(self) -> bool:
        """No person changed it."""
        return bool(self.model) and not self.made_by

    @property
    def title(self) -> str:
        """A series description: who made it, who reviewed it, and what it is for; of 64 characters only the model's name gives way."""
        end = f", {'reviewed' if self.reviewed_by else 'unreviewed'} (research use only)"
        who = "Segmentation, corrected" if self.model else "Segmentation"
        if self.is_by_model:
            who = f"AI segmentation {self.model}"[: _TEXT - len(end)]
        return who + end

    def uid(self, *parts: str) -> str:
        """Return a UID that is the same for the same content, and for nothing else (ITU-T X.667, "2.25.")."""
        said = [
            self.mask_sha256,
            self.software,
            self.model,
            self.weights_sha256,
            self.made_by,
            self.reviewed_by,
        ]
        name = json.dumps([*said, self.made_at.isoformat(), *parts])
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"
