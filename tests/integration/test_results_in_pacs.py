"""Orthanc takes every form by C-STORE, each into a series of its own in the CT's study, as it was sent."""

import os
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE

from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.result import Form
from segloop.imaging.dicom.series import require_volume
from tests import orthanc
from tests.dicom_results import LABELS, mask, result_file
from tests.dicom_series import slices, voxels, write


def test_orthanc_takes_every_form_that_it_knows_the_class_of(tmp_path: Path) -> None:
    missing = orthanc.missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(f"NOT RUN: install {', '.join(missing)}")
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels())))
    series = require_volume(headers)
    made = {form: pydicom.dcmread(result_file(tmp_path, series, mask(), LABELS, form)) for form in Form}
    ae = AE(ae_title="SEGLOOP")
    for one in made.values():
        ae.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
    pacs = orthanc.new(tmp_path / "orthanc", "SEGLOOP")
    with pacs.running():
        association = ae.associate("127.0.0.1", pacs.dicom_port, ae_title=orthanc.AET)
        assert association.is_established
        taken = {context.abstract_syntax for context in association.accepted_contexts}
        sent = {form: one for form, one in made.items() if one.SOPClassUID in taken}
        assert set(Form) - set(sent) <= {
            Form.LABELMAP
        }  # a class of 2024, which Debian's Orthanc is too old for
        assert all(association.send_c_store(one).Status == 0 for one in sent.values())
        association.release()
        stored = {one["SOPInstanceUID"]: one for one in pacs.instances()}
        assert set(stored) == {one.SOPInstanceUID for one in sent.values()}
        assert {one["StudyInstanceUID"] for one in stored.values()} == {headers[0].StudyInstanceUID}
        assert len({one["SeriesInstanceUID"] for one in stored.values()}) == len(sent)
        for one in sent.values():
            assert pydicom.dcmread(BytesIO(pacs.file(one.SOPInstanceUID))) == one
