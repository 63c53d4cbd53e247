"""What would be done with series on this disk: the rule that takes each, where its results would go, and whether it is one volume."""

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import Header, series_in, unpack
from segloop.imaging.dicom.series import require_volume
from services.dicom_gateway.config import Config
from services.dicom_gateway.destinations import forms_for
from services.dicom_gateway.rules import Rule

_MAGIC_AT, _MAGIC = 128, b"DICM"


def dry_run(config: Config, path: Path, *, caller: str = "") -> Iterator[str]:
    """Say in lines what would become of each series in a folder, a zip or a file, were it sent by `caller`. Nothing is sent.

    The lines name modality, number and description of a series, and no patient.

    Raises:
        InvalidInput: `nothing_to_read`, or why the files can't be read.
    """
    with tempfile.TemporaryDirectory(prefix="segloop-dry-run-") as name:
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if file.is_file() and _is_dicom(file)]
        elif zipfile.is_zipfile(path):
            files = unpack(path, Path(name))
        else:
            files = [path] if path.is_file() and _is_dicom(path) else []
        if not files:
            raise InvalidInput("nothing_to_read", f"There is no DICOM file in {path}.")
        for headers in series_in(files):
            yield from _of_series(config, headers, caller)


def _of_series(config: Config, headers: Sequence[Header], caller: str) -> Iterator[str]:
    first = headers[0]
    said = [str(first.get(keyword) or "-") for keyword in ("SeriesNumber", "Modality", "SeriesDescription")]
    yield f"Series {said[0]} ({said[1]}, {len(headers)} instances): {said[2]}"
    rule = config.rule_for(first, caller=caller, n_slices=len(headers))
    yield from (f"  {line}" for line in _of_rule(config, rule))
    yield f"  headers: {_judged(headers)}"


def _of_rule(config: Config, rule: Rule | None) -> Iterator[str]:
    if rule is None:
        yield "rule: none fits; it is kept for a while and left alone (not_routed)"
    elif rule.project is None:
        yield f"rule: {rule.name}; it is kept for a while and left alone (not_routed)"
    else:
        yield f"rule: {rule.name}, project {rule.project}, {rule.priority}"
        for name in rule.destinations:
            peer = config.destinations[name]
            forms = ", ".join(forms_for(peer, rule.outputs))
            instead = f", or else {', '.join(peer.fallback)}" if peer.fallback else ""
            yield f"to {name} ({peer.kind}): {forms}{instead}"
        if not rule.destinations:
            yield "to no destination; the result stays in Segloop"


def _judged(headers: Sequence[Header]) -> str:
    try:
        found = require_volume(headers)
    except InvalidInput as error:
        return f"refused, {error.code}: {error.message}"
    except Exception:  # values of other kinds than DICOM allows
        return "refused, dicom_no_geometry: a header holds values that are none. Export it again."
    warnings = f"; to know: {', '.join(found.warnings)}" if found.warnings else ""
    return f"one volume of {' x '.join(map(str, found.geometry.shape))} voxels{warnings}"


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as source:
        return source.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC
