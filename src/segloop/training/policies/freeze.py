"""Patients that are kept for tests: chosen by an admin, for good."""

from collections.abc import Sequence

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, NotFound
from segloop.jobs.table import lock_training
from segloop.training.policies import table
from segloop.training.runs import table as runs_table
from segloop.volumes import table as volumes_table


def freeze(conn: Connection, *, project_id: str, volume_ids: Sequence[str], actor: str) -> int:
    """Freeze the patients of these volumes and return how many were not frozen before.

    Raises:
        NotFound: `volume_unknown`, also for a volume of another project.
        Conflict: `test_patient_trained` when a version learned from one of them; `test_patient_unknown` when nobody said
            whose CT it is: the same patient could train under another file.
    """
    lock_training(conn, project_id=project_id)
    patients = set()
    for volume_id in volume_ids:
        volume = volumes_table.get(conn, volume_id)
        if volume.project_id != project_id:
            raise NotFound("volume_unknown", "There is no such volume.")
        if not volumes_table.get_patient(conn, volume.patient_id).is_known:
            raise Conflict(
                "test_patient_unknown",
                "Of one of the chosen CTs nobody said whose it is, so the same patient could train. Choose CTs that were "
                "uploaded with a patient reference.",
                volume_id=volume.id,
            )
        patients.add(volume.patient_id)
    if patients & runs_table.list_trained_patients(conn, project_id=project_id):
        raise Conflict(
            "test_patient_trained",
            "A version has learned from one of these patients, so a test on them proves nothing; choose others.",
        )
    n = table.add_test_patients(
        conn, project_id=project_id, patient_ids=patients, why="chosen by an admin", actor=actor
    )
    record(
        conn,
        actor=actor,
        action="test_patients.frozen",
        object_type="project",
        object_id=project_id,
        project_id=project_id,
        n=n,
    )
    return n
