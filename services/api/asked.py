"""A request for work, and the job that each kind of it becomes."""

from dataclasses import dataclass

from segloop import schemas
from segloop.database import Connection
from segloop.jobs import submit
from segloop.jobs.job import Job, JobKind, Priority
from segloop.training.comparisons import compare
from segloop.training.runs import start as training
from services.api import inputs
from services.api.deps import Parts, require_uuid


@dataclass(frozen=True)
class Asked:
    """What somebody asked for, in which project and under which Idempotency-Key."""

    body: schemas.NewJob
    project_id: str
    actor: str
    idempotency_key: str | None

    def find_repeat(self, conn: Connection) -> Job | None:
        """Return the job that the same request got before; raises as `submit.find_repeat`."""
        return submit.find_repeat(
            conn,
            project_id=self.project_id,
            actor=self.actor,
            request=self.body.model_dump(),
            idempotency_key=self.idempotency_key,
        )

    def submit(self, conn: Connection, parts: Parts, given: schemas.JobInput) -> tuple[Job, bool]:
        """Return (job, whether it is new); `given` is what a segmentation works on (see `inputs.prepare`)."""
        kind = JobKind(self.body.kind)
        if kind is JobKind.SEGMENT:
            key = self.idempotency_key
            return inputs.segment(conn, parts, self.body, given, actor=self.actor, idempotency_key=key)
        if kind is JobKind.TRAIN:
            return self._train(conn)
        if kind is JobKind.EVALUATE:
            return self._evaluate(conn)
        return submit.submit(
            conn,
            project_id=self.project_id,
            actor=self.actor,
            kind=kind,
            request=self.body.model_dump(),
            priority=Priority.STAT if self.body.parameters.priority == "stat" else Priority.ROUTINE,
            queue=self.body.parameters.queue,
            idempotency_key=self.idempotency_key,
        )

    def _train(self, conn: Connection) -> tuple[Job, bool]:
        wanted = self.body.parameters
        return training.start(
            conn,
            project_id=self.project_id,
            wanted=training.Wanted(wanted.training, wanted.recipe, "manual", self.actor),
            request=self.body.model_dump(),
            idempotency_key=self.idempotency_key,
        )

    def _evaluate(self, conn: Connection) -> tuple[Job, bool]:
        return compare.request(
            conn,
            project_id=self.project_id,
            model_version_id=require_uuid(self.body.input.model_version_id or ""),
            actor=self.actor,
            body=self.body.model_dump(),
            idempotency_key=self.idempotency_key,
        )
