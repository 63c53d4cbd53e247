"""What objects say of themselves before they may pass for ground truth."""

import pydicom
import pytest

from segloop.imaging.dicom.self_said import doubts

PROGRAM, UNREVIEWED = "it says that a program made it", "it says that not all of it was reviewed"


def of(**values: object) -> pydicom.Dataset:
    found = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (of(SeriesDescription="Contours by hand"), []),
        (of(SeriesDescription="Hairline, airway, chair, autumn"), []),
        (of(SeriesDescription="Segmentation starter v2, corrected, reviewed (research use only)"), []),
        (of(SeriesDescription="Segmentation, corrected, part reviewed (research use only)"), [UNREVIEWED]),
        (
            of(SeriesDescription="AI contours starter v2, unreviewed (research use only)"),
            [UNREVIEWED, PROGRAM],
        ),
        (of(StructureSetLabel="AUTO_SEG", ApprovalStatus="APPROVED"), [PROGRAM]),
        (of(StructureSetLabel="Autocontour"), [PROGRAM]),
        (of(ApprovalStatus="UNAPPROVED"), ["its approval status is UNAPPROVED"]),
        (of(ApprovalStatus="REJECTED"), ["its approval status is REJECTED"]),
        (
            of(SegmentSequence=[of(SegmentAlgorithmType="MANUAL"), of(SegmentAlgorithmType="AUTOMATIC")]),
            [PROGRAM],
        ),
        (
            of(SegmentSequence=[of(SegmentAlgorithmType="SEMIAUTOMATIC", SegmentDescription="Not reviewed")]),
            [UNREVIEWED],
        ),
        (of(StructureSetROISequence=[of(ROIGenerationAlgorithm="AUTOMATIC")]), [PROGRAM]),
        (of(StructureSetROISequence=[of(ROIGenerationAlgorithm="")], SegmentSequence=None), []),
    ],
)
def test_doubts(found: pydicom.Dataset, said: list[str]) -> None:
    assert doubts(found) == said
