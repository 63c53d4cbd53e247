"""What every result object says of itself: who or what made it, of which mask, and that it is for research."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MANUFACTURER, MODEL_NAME = "Segloop", "Segloop"
NOTICE = "Research use only, not a medical device"
DISCLAIMER = f"{NOTICE}. Not for diagnosis."
IMPORTED = "Unknown (imported)"
"""The algorithm of a mask that another tool made: nobody said which."""
_TEXT = 64
"""Characters of DICOM's LO and PN values."""


class Form(StrEnum):
    """The DICOM objects that a mask can be made into, each in a series of its own."""

    SEG = "seg"
    LABELMAP = "labelmap"
    RTSTRUCT = "rtstruct"
    PDF = "pdf"
    SR = "sr"
    CAPTURE = "capture"

    @property
    def series_number(self) -> int:
        """Above what scanners count to."""
        return _FORMS[self][0]

    @property
    def noun(self) -> str:
        """What it is, for a series description."""
        return _FORMS[self][1]

    @property
    def can_deflate(self) -> bool:
        """It is mostly zeros, and its readers know deflated little endian."""
        return self in (Form.SEG, Form.LABELMAP)

    @property
    def needs_ct(self) -> bool:
        """It shows or measures the CT itself, beside the headers."""
        return self in (Form.PDF, Form.SR, Form.CAPTURE)


_FORMS = {
    Form.SEG: (1000, "segmentation"),
    Form.LABELMAP: (1001, "label map"),
    Form.RTSTRUCT: (1002, "contours"),
    Form.PDF: (1003, "report"),
    Form.SR: (1004, "measurements"),
    Form.CAPTURE: (1005, "key images"),
}


@dataclass(frozen=True)
class Origin:
    """Where a mask comes from; times in UTC.

    `mask_sha256` is that of its file. `model` and `weights_sha256` are empty where no version made it; `reviewed_by` is who
    vouched for all of it, else empty. `software` is this program's version. `is_imported` where another tool made the mask,
    `is_corrected` where a person changed what a version or another tool had made.
    """

    mask_sha256: str
    made_at: datetime
    software: str
    model: str = ""
    weights_sha256: str = ""
    made_by: str = ""
    reviewed_by: str = ""
    is_imported: bool = False
    is_corrected: bool = False

    @property
    def is_by_model(self) -> bool:
        """No person changed it."""
        return bool(self.model) and not self.made_by

    @property
    def algorithm_type(self) -> str:
        """DICOM's word for how it was made (Segment Algorithm Type, ROI Generation Algorithm)."""
        if self.is_by_model:
            return "AUTOMATIC"
        return "SEMIAUTOMATIC" if self.model or self.is_imported else "MANUAL"

    @property
    def statement(self) -> str:
        """Who or what made it and who looked at it, as a line for people to read."""
        if self.is_by_model:
            how = "AI-generated"
        elif self.model:
            how = f"AI-generated, corrected by {self.made_by}"
        elif self.is_imported:
            how = "Made by another program" + f", corrected by {self.made_by}" * self.is_corrected
        else:
            how = f"Drawn by {self.made_by}"
        if self.reviewed_by:
            return f"{how}, reviewed by {self.reviewed_by}"
        return how if self.is_imported else f"{how}, not reviewed"

    def title(self, form: Form) -> str:
        """A series description: who made it, who reviewed it, and what it is for; of 64 characters only the model's name gives way."""
        said = ["imported"] * self.is_imported + ["corrected"] * self.is_corrected
        if self.reviewed_by or not self.is_imported:  # what was done to it elsewhere nobody here knows
            said.append("reviewed" if self.reviewed_by else "unreviewed")
        end = "".join(f", {word}" for word in said) + " (research use only)"
        what = f"AI {form.noun} {self.model}" if self.is_by_model else form.noun.capitalize()
        return what[: _TEXT - len(end)] + end

    def uid(self, *parts: str) -> str:
        """Return a UID that is the same for the same content, and for nothing else (ITU-T X.667, "2.25.")."""
        said = [
            self.mask_sha256,
            self.software,
            self.model,
            self.weights_sha256,
            self.made_by,
            self.reviewed_by,
            self.is_imported,
            self.is_corrected,
        ]
        name = json.dumps([*said, self.made_at.isoformat(), *parts])
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"
