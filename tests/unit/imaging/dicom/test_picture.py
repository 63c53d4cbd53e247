"""Pictures show the patient as a radiologist expects, whatever way the slices were taken."""

import numpy as np
import pytest
from numpy.typing import NDArray

from segloop.imaging.dicom.picture import AXIAL, CORONAL, SAGITTAL, fullest, picture, scene, spread
from segloop.imaging.dicom.series import Series
from segloop.imaging.labels import Label

LABELS = [Label(1, "a", "#ff0000"), Label(2, "b", "#0000ff")]
SHAPE = (14, 12, 8)


def red_of(found: NDArray[np.uint8]) -> NDArray[np.bool_]:
    values = found.astype(int)
    return (values[..., 0] > 150) & (values[..., 1] < 90) & (values[..., 2] < 90)


@pytest.mark.parametrize("corner", [(1, 1, 1), (12, 1, 1), (1, 10, 6), (12, 10, 1)])
def test_what_lies_at_the_patients_right_is_at_the_left_and_the_head_is_up(
    series: Series, corner: tuple[int, int, int]
) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[tuple(slice(at - 1, at + 2) for at in corner)] = 1
    affine = series.geometry.affine
    middle = affine @ [*((np.array(SHAPE) - 1) / 2), 1]
    right, front, head = (affine @ [*corner, 1] - middle)[:3]
    shown = scene(np.full(SHAPE, -1000, np.int16), mask, series.geometry, LABELS)
    # World is RAS+: towards the right, the front and the head; a picture's columns and rows go right and down.
    expected = {AXIAL: (-right, -front), CORONAL: (-right, -head), SAGITTAL: (-front, -head)}
    for plane, directions in expected.items():
        found = np.asarray(picture(shown, plane, fullest(shown, plane), box=(200, 200)))
        rows, columns = np.nonzero(red_of(found))
        for pixels, direction in ((columns, directions[0]), (rows, directions[1])):
            if abs(direction) > 4:  # of an oblique grid's axes some hardly leave the middle
                assert (pixels.mean() - 99.5) * direction > 0, plane


def test_proportions_are_true(series: Series) -> None:
    mask = np.ones(SHAPE, np.uint8)
    shown = scene(np.zeros(SHAPE, np.int16), mask, series.geometry, LABELS)
    sizes = [n * mm for n, mm in zip(shown.mask.shape, shown.spacing_mm, strict=True)]
    for plane in (AXIAL, CORONAL, SAGITTAL):
        found = np.asarray(picture(shown, plane, 2, box=(300, 300)))
        rows, columns = np.nonzero(red_of(found))
        wide, high = (size for axis, size in enumerate(sizes) if axis != plane)
        measured = (columns.max() - columns.min() + 1) / (rows.max() - rows.min() + 1)
        assert measured == pytest.approx(wide / high, rel=0.02)


def test_labels_are_outlined_in_their_colour_and_tinted_over_the_ct(series: Series) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:11, 3:9, 2:6] = 2
    shown = scene(np.full(SHAPE, 240, np.int16), mask, series.geometry, LABELS)
    found = np.asarray(picture(shown, AXIAL, fullest(shown, AXIAL), box=(240, 240))).astype(int)
    blue = (found == [0, 0, 255]).all(-1)
    tint = np.abs(found - [166, 166, 255]).max(-1) <= 1
    assert blue.sum() > 100 and tint.sum() > 1000


def test_the_slices_that_are_shown_are_those_with_something_on_them(series: Series) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[4, 4, 2:5], mask[4:9, 4, 4] = 1, 1
    shown = scene(np.zeros(SHAPE, np.int16), mask, series.geometry, LABELS)
    for plane in (AXIAL, CORONAL, SAGITTAL):
        others = tuple(axis for axis in range(3) if axis != plane)
        counts = (shown.mask > 0).sum(axis=others)
        assert counts[fullest(shown, plane)] == counts.max()
        assert all(counts[at] for at in spread(shown, plane, 3))
    empty = scene(np.zeros(SHAPE, np.int16), np.zeros(SHAPE, np.uint8), series.geometry, LABELS)
    assert fullest(empty, AXIAL) == empty.mask.shape[2] // 2
