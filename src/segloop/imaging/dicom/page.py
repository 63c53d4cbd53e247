"""The report as a page to read: whose, made by what, looked at by whom, how large each label is, and a picture of it."""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image as Pictures
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, Paragraph, SimpleDocTemplate, Spacer, Table

from segloop.imaging.dicom.archive import Header
from segloop.imaging.dicom.measures import Measure
from segloop.imaging.dicom.result import DISCLAIMER, MODEL_NAME, Origin
from segloop.imaging.labels import Label

_INK, _FAINT, _LINE, _ALARM = (
    HexColor("#1b2430"),
    HexColor("#5b6672"),
    HexColor("#cfd6dd"),
    HexColor("#8a1c1c"),
)
_WIDTH = A4[0] - 36 * mm - 12  # the frame keeps 6 points on both sides
_BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=9, leading=12, textColor=_INK)
_SMALL = ParagraphStyle("small", _BODY, fontSize=7.5, leading=10, textColor=_FAINT)
_TITLE = ParagraphStyle("title", _BODY, fontName="Helvetica-Bold", fontSize=16, leading=20)
_STATE = ParagraphStyle("state", _BODY, fontName="Helvetica-Bold", fontSize=11, leading=15)
_WARNING = ParagraphStyle("warning", _STATE, textColor=_ALARM, fontSize=9, leading=12)
_HEAD = ParagraphStyle("head", _SMALL, fontName="Helvetica-Bold")
_NUMBER = ParagraphStyle("number", _BODY, alignment=2)
_NUMBER_HEAD = ParagraphStyle("number head", _HEAD, alignment=2)


def make_page(
    header: Header,
    origin: Origin,
    measures: Sequence[Measure],
    missing: Sequence[Label],
    pictures: Sequence[tuple[str, Pictures.Image]],
    *,
    series_line: str,
) -> bytes:
    """Return the report as PDF, with the standard fonts; the same input gives the same bytes.

    `pictures` are shown side by side with their names; `series_line` says of which series it is.
    """
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=15 * mm,
        bottomMargin=20 * mm,
        title="Segmentation report",
        author=MODEL_NAME,
        invariant=1,
    )
    parts: list[Flowable] = [
        Paragraph("Segmentation report", _TITLE),
        Paragraph(DISCLAIMER, _WARNING),
        Spacer(1, 3 * mm),
        Paragraph(_text(origin.statement), _STATE),
        *[Paragraph(_text(line), _BODY) for line in filter(None, [origin.review.extent])],
        Spacer(1, 3 * mm),
        _patient(header, series_line),
        Spacer(1, 4 * mm),
        _side_by_side(pictures),
        Spacer(1, 4 * mm),
        _labels(measures, missing),
        Spacer(1, 4 * mm),
        *[Paragraph(_text(line), _SMALL) for line in _method(origin)],
    ]
    foot = partial(_foot, whose=_plain(_line(header)))
    document.build(parts, onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


def _line(header: Header) -> str:
    return ", ".join(filter(None, [_name(header), str(header.get("PatientID") or "")]))


def _patient(header: Header, series_line: str) -> Table:
    rows = [
        ("Patient", _name(header), "Study date", _date(header, "StudyDate")),
        ("Patient ID", header.get("PatientID"), "Accession", header.get("AccessionNumber")),
        ("Born", _date(header, "PatientBirthDate"), "Study", header.get("StudyDescription")),
        ("Sex", header.get("PatientSex"), "Series", series_line),
    ]
    cells = [
        [
            Paragraph(_text(str(value or "-")), _SMALL if at % 2 == 0 else _BODY)
            for at, value in enumerate(row)
        ]
        for row in rows
    ]
    widths = [share * _WIDTH for share in (0.12, 0.36, 0.12, 0.40)]
    style = [("BOX", (0, 0), (-1, -1), 0.5, _LINE), ("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight(1.5)]
    return Table(cells, widths, style=style)


def _side_by_side(pictures: Sequence[tuple[str, Pictures.Image]]) -> Table:
    width = _WIDTH / len(pictures)
    images, names = [], []
    for name, found in pictures:
        file = io.BytesIO()
        found.save(file, "JPEG", quality=90)
        file.seek(0)
        wide = width - 2 * mm
        images.append(Image(file, wide, wide * found.height / found.width))
        names.append(Paragraph(_text(name), _SMALL))
    return Table([images, names], [width] * len(pictures), style=_tight(0.5))


def _labels(measures: Sequence[Measure], missing: Sequence[Label]) -> Flowable:
    if not measures and not missing:
        return Paragraph("This mask has no labels.", _BODY)
    heads = ("Volume (ml)", "Mean (HU)", "SD (HU)")
    rows: list[list[Any]] = [
        ["", Paragraph("Label", _HEAD), *(Paragraph(head, _NUMBER_HEAD) for head in heads)]
    ]
    style: list[tuple[Any, ...]] = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ]
    for one in measures:
        numbers = (f"{one.volume_ml:.{_digits(one.volume_ml)}f}", f"{one.mean_hu:.0f}", f"{one.sd_hu:.0f}")
        rows.append(["", Paragraph(_text(one.label.name), _BODY), *(Paragraph(n, _NUMBER) for n in numbers)])
        swatch = Color(*(value / 255 for value in one.label.rgb))
        style.append(("BACKGROUND", (0, len(rows) - 1), (0, len(rows) - 1), swatch))
    for label in missing:
        rows.append(["", Paragraph(_text(label.name), _SMALL), Paragraph("not found", _NUMBER_HEAD), "", ""])
    widths = [5 * mm, _WIDTH - 80 * mm, 25 * mm, 25 * mm, 25 * mm]
    return Table(rows, widths, style=[*style, *_tight(1)], repeatRows=1)


def _digits(volume_ml: float) -> int:
    return 1 if volume_ml >= 10 else 2 if volume_ml >= 0.1 else 3


def _method(origin: Origin) -> list[str]:
    lines = []
    if origin.model:
        how = "Made by" if origin.is_by_model else "Began with the result of"
        lines.append(f"{how} model {origin.model}, weights SHA-256 {origin.weights_sha256}.")
    lines += [
        f"{MODEL_NAME} {origin.software}. Mask of {origin.made_at:%Y-%m-%d %H:%M} UTC, SHA-256 {origin.mask_sha256}.",
        "Volumes are voxels counted, times their size. Pictures: window 400 HU at 40 HU, the patient's right on the left, "
        "through the slices that hold most of the mask.",
        "Characters that the fonts of this page lack are shown as a question mark; the DICOM header has them.",
    ]
    return lines


def _foot(canvas: Canvas, document: SimpleDocTemplate, *, whose: str) -> None:
    canvas.saveState()
    canvas.setFillColor(_FAINT)
    canvas.setFont("Helvetica", 7.5)
    canvas.drawString(18 * mm, 12 * mm, whose[:90])
    canvas.drawRightString(A4[0] - 18 * mm, 12 * mm, f"{DISCLAIMER} Page {document.page}")
    canvas.restoreState()


def _tight(pad: float) -> list[tuple[Any, ...]]:
    return [(f"{side}PADDING", (0, 0), (-1, -1), pad * mm) for side in ("TOP", "BOTTOM", "LEFT", "RIGHT")]


def _name(header: Header) -> str:
    """Return the patient's name in its first writing, family name first."""
    family, _, given = str(header.get("PatientName") or "").split("=")[0].partition("^")
    return ", ".join(filter(None, [family.strip(), given.replace("^", " ").strip()]))


def _date(header: Header, keyword: str) -> str:
    text = str(header.get(keyword) or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 else text


def _plain(text: str) -> str:
    """Return a text in the characters that PDF's standard fonts have."""
    return text.encode("cp1252", "replace").decode("cp1252")


def _text(text: str) -> str:
    return escape(_plain(text))
