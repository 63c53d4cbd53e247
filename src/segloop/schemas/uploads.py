"""Bodies about files that arrive in parts."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from segloop.schemas.base import Body

LabelMap = Annotated[
    dict[Annotated[str, Field(max_length=200)], str | None],
    Field(
        max_length=4096,
        description="Of a DICOM SEG or RTSTRUCT: a structure's name in the file -> a label's name, or null to leave it out. "
        "Needed where the names differ.",
    ),
]


class NewUpload(Body):
    """Announces a file that will arrive in parts."""

    filename: str = Field(
        default="",
        max_length=500,
        description="Ignored: content decides, names may hold PHI.",
    )
    size_bytes: int = Field(ge=0)
    purpose: Literal["volume", "mask"] = "volume"
    patient_reference: str | None = Field(default=None, max_length=200)
    case_reference: str | None = Field(default=None, max_length=100)
    volume_id: str | None = None
    mask_kind: Literal["imported", "ground_truth"] = "imported"
    annotated_labels: list[int] | None = Field(
        default=None,
        min_length=1,
        max_length=65535,
        description="Of a mask: the labels (indices) that somebody looked for in it, null for all. The others count as "
        "unknown, not as background. Null for a DICOM mask: the labels found in it.",
    )
    label_map: LabelMap | None = None
    parent_id: str | None = Field(
        default=None, description="Of a mask: the mask of the same volume that it corrects, if it does."
    )


class UploadCompletion(Body):
    """What is said when a file is to be read, in place of what was announced."""

    label_map: LabelMap | None = None
    mask_kind: Literal["imported", "ground_truth"] | None = Field(
        default=None,
        description="Of a mask: what it is. Needed where a DICOM object is to be ground truth and says of itself that a program "
        "made it, or that nobody reviewed it.",
    )


class Upload(BaseModel):
    """An upload and the parts that have arrived."""

    id: str
    project_id: str
    purpose: str
    state: str
    size_bytes: int
    part_bytes: int
    n_parts: int
    received: list[int]
    result_id: str | None = None
