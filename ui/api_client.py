"""The pages' typed client of the HTTP API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from segloop import schemas
from segloop.errors import SegloopError, Unavailable
from segloop.worklist.state import CaseState

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class ApiClient:
    """Calls the API as the signed-in person; every problem document becomes a `SegloopError`."""

    http: httpx.Client

    def worklist(
        self,
        project: str,
        *,
        states: Sequence[CaseState] = (),
        search: str = "",
        volumes: Sequence[str] | None = None,
        limit: int = 50,
    ) -> schemas.Worklist:
        """Return the cases of a project that were touched last: of some states, with a part of the case reference, or these volumes."""
        query = {"state": list(states), "search": search, "volume": list(volumes or ()), "limit": limit}
        answer = self.call("GET", f"/v1/projects/{project}/worklist", params=query)
        return schemas.Worklist.model_validate(answer)

    def projects(self) -> list[schemas.Project]:
        """Return the projects that the person has a role in, a site admin all."""
        return self.page(schemas.Project, "/v1/projects")

    def ask_for_project(self, slug: str) -> None:
        """Ask for the project of an address that somebody typed; raises where it isn't theirs, as where there is none."""
        self.call("GET", f"/v1/projects/{quote(slug, safe='')}")

    def me(self) -> schemas.Me:
        """Return who the pages act as and what they may do."""
        return self.get(schemas.Me, "/v1/me")

    def identities(self, volume_ids: Sequence[str]) -> list[schemas.VolumeIdentity]:
        """Return whose CTs these are, where it is known; each one told is recorded."""
        answer = self.call("POST", "/v1/identities", json={"volume_ids": list(volume_ids)})
        return schemas.Identities.model_validate(answer).items

    def received_series(
        self, project: str, *, stages: Sequence[str] = (), volume_id: str | None = None, limit: int = 50
    ) -> schemas.ReceivedSeriesPage:
        """Return the series of a project that gateways received last, at some stages, or those that became a volume."""
        query: dict[str, Any] = {"project": project, "stage": list(stages), "limit": limit}
        if volume_id is not None:
            query["volume_id"] = volume_id
        answer = self.call("GET", "/v1/received-series", params=query)
        return schemas.ReceivedSeriesPage.model_validate(answer)

    def series_identities(self, series_ids: Sequence[str]) -> list[schemas.SeriesIdentity]:
        """Return whose received series these are, where it is known; each one told is recorded."""
        body = {"received_series_ids": list(series_ids)}
        answer = self.call("POST", "/v1/received-series/identities", json=body)
        return schemas.SeriesIdentities.model_validate(answer).items

    def send_again(self, series_id: str, mask_id: str | None = None) -> schemas.Order:
        """Have the results of a received series sent to all its destinations again, of another mask if one is named."""
        body = {"mask_id": mask_id}
        answer = self.call("POST", f"/v1/received-series/{series_id}/redeliver", json=body)
        return schemas.Order.model_validate(answer)

    def route(self, series_id: str, project: str, priority: str) -> schemas.Order:
        """Have a received series segmented that no rule took or that failed."""
        body = {"project": project, "priority": priority}
        answer = self.call("POST", f"/v1/received-series/{series_id}/route", json=body)
        return schemas.Order.model_validate(answer)

    def gateways(self) -> list[schemas.Gateway]:
        """Return the gateways, the one seen last first."""
        return self.page(schemas.Gateway, "/v1/gateways")

    def try_peer(self, aet: str, name: str) -> schemas.Order:
        """Have a gateway try one of its destinations or sources."""
        return schemas.Order.model_validate(
            self.call("POST", f"/v1/gateways/{aet}/test", json={"name": name})
        )

    def order(self, order_id: str) -> schemas.Order:
        """Return an order to a gateway and what came of it."""
        return self.get(schemas.Order, f"/v1/gateway-orders/{order_id}")

    def audit(
        self,
        *,
        project: str = "",
        by: str = "",
        actions: Sequence[str] = (),
        object_id: str = "",
        before_id: int | None = None,
        limit: int = 50,
    ) -> schemas.AuditPage:
        """Return what was done, newest first: in a project, or (for site admins) in the whole installation."""
        query = {
            "project": project,
            "by": by,
            "action": list(actions),
            "object_id": object_id,
            "before_id": before_id,
            "limit": limit,
        }
        wanted = {name: value for name, value in query.items() if value}
        return schemas.AuditPage.model_validate(self.call("GET", "/v1/audit", params=wanted))

    def find_patient(self, project: str, text: str) -> schemas.FoundVolumes:
        """Return the volumes of a patient by ID, accession number or the beginnings of a name; recorded."""
        body = {"project": project, "text": text}
        return schemas.FoundVolumes.model_validate(self.call("POST", "/v1/identities/search", json=body))

    def volume(self, volume_id: str) -> schemas.Volume:
        """Return a volume."""
        return self.get(schemas.Volume, f"/v1/volumes/{volume_id}")

    def masks(self, volume_id: str) -> list[schemas.Mask]:
        """Return a volume's masks, newest first."""
        return self.page(schemas.Mask, f"/v1/volumes/{volume_id}/masks")

    def statistics(self, mask_id: str) -> schemas.MaskStatistics:
        """Return voxels and ml of each label."""
        return self.get(schemas.MaskStatistics, f"/v1/masks/{mask_id}/statistics")

    def compare(self, mask_id: str, other_id: str) -> schemas.MaskComparison:
        """Return how two masks of a volume agree."""
        answer = self.call("GET", f"/v1/masks/{mask_id}/compare", params={"with": other_id}, timeout=120.0)
        return schemas.MaskComparison.model_validate(answer)

    def model_version(self, model_version_id: str) -> schemas.ModelVersion:
        """Return a model version."""
        return self.get(schemas.ModelVersion, f"/v1/model-versions/{model_version_id}")

    def model_versions(self, project: str) -> list[schemas.ModelVersion]:
        """Return a project's model versions, newest first."""
        return self.page(schemas.ModelVersion, f"/v1/projects/{project}/model-versions")

    def versions_of_patient(self, volume_id: str) -> list[schemas.ModelVersion]:
        """Return the versions that were trained on the patient of a volume, oldest first."""
        return self.page(schemas.ModelVersion, f"/v1/volumes/{volume_id}/model-versions")

    def promote(self, model_version_id: str, reason: str) -> schemas.ModelVersion:
        """Put a version into production from the next job on."""
        answer = self.call("POST", f"/v1/model-versions/{model_version_id}/promote", json={"reason": reason})
        return schemas.ModelVersion.model_validate(answer)

    def feedback_statistics(self, project: str) -> schemas.FeedbackStatistics:
        """Return a project's feedback in numbers."""
        return self.get(schemas.FeedbackStatistics, f"/v1/projects/{project}/feedback/statistics")

    def reject(self, model_version_id: str, reason: str) -> schemas.ModelVersion:
        """Take a version out of the running for good."""
        answer = self.call("POST", f"/v1/model-versions/{model_version_id}/reject", json={"reason": reason})
        return schemas.ModelVersion.model_validate(answer)

    def compare_version(self, project: str, model_version_id: str) -> schemas.JobOut:
        """Ask for a comparison of a version with the one in production."""
        body = {"kind": "evaluate", "project_id": project, "input": {"model_version_id": model_version_id}}
        return schemas.JobOut.model_validate(self.call("POST", "/v1/jobs", json=body))

    def lineage(self, model_version_id: str) -> schemas.VersionLineage:
        """Return where a version comes from, its comparisons and its model card."""
        return self.get(schemas.VersionLineage, f"/v1/model-versions/{model_version_id}/lineage")

    def figures(self, project: str) -> list[schemas.VersionFigures]:
        """Return what was measured of each version, by number."""
        return self.page(schemas.VersionFigures, f"/v1/projects/{project}/model-versions/figures")

    def learning_state(self, project: str) -> schemas.LearningState:
        """Return how far the corrections are from a retraining."""
        return self.get(schemas.LearningState, f"/v1/projects/{project}/training-state")

    def training_cases(self, project: str) -> list[schemas.TrainingCase]:
        """Return what a run would learn from or be tested on now."""
        return self.page(schemas.TrainingCase, f"/v1/projects/{project}/training-cases")

    def freeze_patients(self, project: str, volume_ids: Sequence[str]) -> None:
        """Keep the patients of these volumes for tests, for good."""
        self.call("POST", f"/v1/projects/{project}/test-patients", json={"volume_ids": list(volume_ids)})

    def training_policy(self, project: str) -> schemas.Policy:
        """Return when a project retrains and what a candidate must show."""
        return self.get(schemas.Policy, f"/v1/projects/{project}/training-policy")

    def change_training_policy(self, project: str, **values: Any) -> schemas.Policy:
        """Change some values of the training policy."""
        answer = self.call("PATCH", f"/v1/projects/{project}/training-policy", json=values)
        return schemas.Policy.model_validate(answer)

    def training_runs(self, project: str) -> list[schemas.TrainingRunSummary]:
        """Return a project's training runs, newest first."""
        return self.page(schemas.TrainingRunSummary, f"/v1/projects/{project}/training-runs")

    def training_run(self, run_id: str) -> schemas.TrainingRun:
        """Return a run with its curves, log and cases."""
        return self.get(schemas.TrainingRun, f"/v1/training-runs/{run_id}")

    def train(
        self, project: str, training: str, recipe: dict[str, Any], *, idempotency_key: str
    ) -> schemas.JobOut:
        """Ask for a retraining; the same key again starts nothing more."""
        parameters = {"training": training, "recipe": recipe}
        body = {"kind": "train", "project_id": project, "parameters": parameters}
        headers = {"Idempotency-Key": idempotency_key}
        return schemas.JobOut.model_validate(self.call("POST", "/v1/jobs", json=body, headers=headers))

    def ticket(self, kind: str, object_id: str) -> schemas.Ticket:
        """Return a ticket to read a volume ("volumes") or mask ("masks")."""
        return schemas.Ticket.model_validate(self.call("POST", f"/v1/{kind}/{object_id}/ticket"))

    def jobs(
        self,
        state: str | None = None,
        *,
        project: str | None = None,
        volume_id: str | None = None,
        limit: int = 100,
    ) -> list[schemas.JobOut]:
        """Return the newest jobs, of one state, project or volume if asked."""
        query = {"state": state, "project_id": project, "volume_id": volume_id, "limit": str(limit)}
        return self.page(schemas.JobOut, "/v1/jobs", **{k: v for k, v in query.items() if v})

    def job(self, job_id: str) -> schemas.JobOut:
        """Return a job."""
        return self.get(schemas.JobOut, f"/v1/jobs/{job_id}")

    def segment(
        self, volume_id: str, *, project: str, idempotency_key: str, **parameters: Any
    ) -> schemas.JobOut:
        """Ask for a segmentation; the same key again gives the same job."""
        body = {
            "kind": "segment",
            "project_id": project,
            "input": {"volume_id": volume_id},
            "parameters": parameters,
        }
        headers = {"Idempotency-Key": idempotency_key}
        return schemas.JobOut.model_validate(self.call("POST", "/v1/jobs", json=body, headers=headers))

    def drafts(self, volume_id: str) -> list[schemas.Draft]:
        """Return everybody's drafts of a volume, newest first."""
        return self.page(schemas.Draft, f"/v1/volumes/{volume_id}/drafts")

    def open_draft(self, volume_id: str, base_mask_id: str | None) -> schemas.Draft:
        """Open a draft on a mask, or on nothing, or return the one that is open already."""
        body = {"base_mask_id": base_mask_id}
        return schemas.Draft.model_validate(self.call("POST", f"/v1/volumes/{volume_id}/drafts", json=body))

    def discard_draft(self, draft_id: str) -> None:
        """Give a draft up."""
        self.call("POST", f"/v1/drafts/{draft_id}/discard")

    def feedback(self, volume_id: str) -> list[schemas.Feedback]:
        """Return everybody's feedback on a volume's masks, newest first."""
        return self.page(schemas.Feedback, f"/v1/volumes/{volume_id}/feedback")

    def give_feedback(self, mask_id: str, *, idempotency_key: str, **verdict: Any) -> None:
        """Store a verdict on a mask; the same key again stores nothing more."""
        headers = {"Idempotency-Key": idempotency_key}
        self.call("POST", f"/v1/masks/{mask_id}/feedback", json=verdict, headers=headers)

    def label_sets(self, project: str) -> list[schemas.LabelSetOut]:
        """Return a project's label sets, newest first."""
        return self.page(schemas.LabelSetOut, f"/v1/projects/{project}/label-sets")

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        self.call("POST", f"/v1/jobs/{job_id}/cancel")

    def retry(self, job_id: str) -> None:
        """Queue a failed job once more."""
        self.call("POST", f"/v1/jobs/{job_id}/retry")

    def get(self, kind: type[T], path: str) -> T:
        """Return one object."""
        return kind.model_validate(self.call("GET", path))

    def page(self, kind: type[T], path: str, **query: str) -> list[T]:
        """Return the first hundred of a list."""
        page = self.call("GET", path, params={"limit": "100", **query})
        return [kind.model_validate(item) for item in page["items"]]

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Return what the API answers, None where that is nothing.

        Raises:
            SegloopError: what the API says; Unavailable: `api_unavailable`.
        """
        try:
            answer = self.http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise Unavailable(
                "api_unavailable", "The API can't be reached; it may be starting. Try again."
            ) from error
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            body = answer.json()
        except ValueError:
            body = {}
        raise SegloopError(body.get("code", "internal"), body.get("detail", "The API gave an error."))


def connect(api_url: str, token: str) -> ApiClient:
    """Return a client of the API at `api_url`."""
    headers = {"Authorization": f"Bearer {token}"}
    return ApiClient(httpx.Client(base_url=api_url, headers=headers, timeout=30.0))
