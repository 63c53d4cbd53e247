"""What every result object says of itself: who or what made it, of which mask, and that it is for research."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from segloop.imaging.dicom.review import NOBODY, Review

MANUFACTURER, MODEL_NAME = "Segloop", "Segloop"
NOTICE = "Research use only, not a medical device"
DISCLAIMER = f"{NOTICE}. Not for diagnosis."
IMPORTED = "Unknown (imported)"
"""The algorithm of a mask that another tool made: nobody said which."""
_TEXT = 64
"""Characters of DICOM's LO and PN values."""
_MOST_THOUSANDS = 2_000_000
"""DICOM's IS ends at 2,147,483,647."""


class Form(StrEnum):
    """The DICOM objects that a mask can be made into, each in a series of its own."""

    SEG = "seg"
    LABELMAP = "labelmap"
    RTSTRUCT = "rtstruct"
    PDF = "pdf"
    SR = "sr"
    CAPTURE = "capture"

    @property
    def digit(self) -> int:
        """The last of its series number."""
        return list(Form).index(self)

    @property
    def noun(self) -> str:
        """What it is, for a series description."""
        return _NOUNS[self]

    @property
    def can_deflate(self) -> bool:
        """It is mostly zeros, and its readers know deflated little endian."""
        return self in (Form.SEG, Form.LABELMAP)

    @property
    def needs_ct(self) -> bool:
        """It shows or measures the CT itself, beside the headers."""
        return self in (Form.PDF, Form.SR, Form.CAPTURE)


_NOUNS = {
    Form.SEG: "segmentation",
    Form.LABELMAP: "label map",
    Form.RTSTRUCT: "contours",
    Form.PDF: "report",
    Form.SR: "measurements",
    Form.CAPTURE: "key images",
}


@dataclass(frozen=True)
class Origin:
    """Where a mask comes from; times in UTC.

    `mask_sha256` is that of its file; `nth` counts the masks of its CT, from 0. `model` (its name, a space, "v" and its number) and
    `weights_sha256` are empty where no version made it. `review` is what somebody vouched for, `earlier` what was said of the same
    mask before that, oldest first. `software` is this program's version. `is_imported` where another tool made the mask,
    `is_corrected` where a person changed what a version or another tool had made.
    """

    mask_sha256: str
    made_at: datetime
    software: str
    model: str = ""
    weights_sha256: str = ""
    made_by: str = ""
    is_imported: bool = False
    is_corrected: bool = False
    nth: int = 0
    review: Review = NOBODY
    earlier: tuple[Review, ...] = ()

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Origin":
        """Return an origin of plain values, its times as text."""
        return cls(
            **{
                **said,
                "made_at": datetime.fromisoformat(said["made_at"]),
                "review": Review.from_dict(said["review"]),
                "earlier": tuple(map(Review.from_dict, said["earlier"])),
            }
        )

    @property
    def said_at(self) -> datetime:
        """When what an object says came to be so: with the mask, or with a review that changed it."""
        return datetime.fromisoformat(self.review.at) if self.earlier else self.made_at

    @property
    def before(self) -> "Origin | None":
        """What the objects said that those of now supersede; None where there were none."""
        return replace(self, review=self.earlier[-1], earlier=self.earlier[:-1]) if self.earlier else None

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
        # What was done to it elsewhere nobody here knows.
        return how if self.is_imported and not self.review.by else f"{how}, {self.review.statement}"

    def title(self, form: Form) -> str:
        """A series description: what made it, who reviewed it, and what it is for; of 64 characters only the model's name gives way."""
        said = ["imported"] * self.is_imported + ["corrected"] * self.is_corrected
        if self.made_by and not said:
            said.append("drawn")
        if self.review.by or not self.is_imported:
            said.append(self.review.word)
        end = "".join(f", {word}" for word in said) + " (research use only)"
        noun = f"AI {form.noun}" if self.is_by_model else form.noun.capitalize()
        name, _, version = self.model.rpartition(" ")
        room = _TEXT - len(end)
        what = f"{noun} {name}"[: room - len(version) - 1].rstrip() + f" {version}" if version else noun
        return (what if len(what) <= room else what[: room - 1] + ".") + end

    def series_number(self, form: Form, source: object) -> int:
        """Return a number of its own for each form of each mask of each series: thousands of the source's own number."""
        stated = str(source or "").strip()
        thousands = int(stated) if stated.isdecimal() and 0 < int(stated) <= _MOST_THOUSANDS else 1
        return 1000 * thousands + self.nth % 100 * 10 + form.digit

    def uid(self, *parts: str) -> str:
        """Return a UID that is the same for the same content, and for nothing else (ITU-T X.667, "2.25.")."""
        said = [
            self.mask_sha256,
            self.software,
            self.model,
            self.weights_sha256,
            self.made_by,
            self.is_imported,
            self.is_corrected,
            self.nth,
            *(asdict(one) for one in (*self.earlier, self.review)),
        ]
        name = json.dumps([*said, self.made_at.isoformat(), *parts])
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"
