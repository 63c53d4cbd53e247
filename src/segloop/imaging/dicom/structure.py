"""What an imported object calls its parts, before they are labels of a project."""

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.sr.coding import Code

from segloop.errors import InvalidInput

SEG, LABELMAP, RTSTRUCT = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.481.3",
)
KINDS = {SEG, LABELMAP, RTSTRUCT}
MOST = 4096
_NAME = 64


@dataclass(frozen=True)
class Structure:
    """A segment or region of interest: its number in the file, its name, what it is (with its side) where codes say so.

    `is_empty` where the file holds nothing that could have a voxel; `key` is its value in the file's own tables.
    """

    number: int
    key: int
    name: str
    type: Code | None = None
    side: Code | None = None
    is_empty: bool = False


def named(text: object) -> str:
    """Return a structure's name as it is shown and compared: one line, of at most 64 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text or "")).split())[:_NAME]


def code_of(items: Dataset, keyword: str) -> Code | None:
    """Return the first code of a sequence, None where there is none or it is incomplete."""
    for item in items.get(keyword) or []:
        value, scheme = item.get("CodeValue"), item.get("CodingSchemeDesignator")
        if value and scheme:
            return Code(str(value), str(scheme), str(item.get("CodeMeaning") or ""))
    return None


def side_of(items: Dataset, keyword: str, modifiers: str) -> Code | None:
    """Return the modifier of a sequence's first code, such as its side."""
    for item in items.get(keyword) or []:
        return code_of(item, modifiers)
    return None


def require_few(n: int) -> None:
    """Check that a file holds no more structures than anybody draws.

    Raises:
        InvalidInput: `mask_structures`.
    """
    if n > MOST:
        raise InvalidInput(
            "mask_structures", f"The file names {n:,} structures; at most {MOST:,} are read. Export fewer."
        )
