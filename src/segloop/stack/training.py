"""`./segloop training ...` and `./segloop models ...`: the learning loop from the command line, through the HTTP API."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from segloop.errors import NotFound, SegloopError, Unavailable

ACTIVE = ("queued", "running")
POLL_S = 2.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Loop:
    """One project's learning loop as a person at a terminal sees it; refusals are the API's, in its words."""

    http: httpx.Client
    project: str
    say: Say

    def status(self) -> None:
        """Say how far the corrections are, what is live, and how the last run stands."""
        state = self._call("GET", f"/v1/projects/{self.project}/training-state")
        policy = self._call("GET", f"/v1/projects/{self.project}/training-policy")
        self.say(
            f"New corrections: {state['n_new']} of {policy['minimum_corrections']} "
            f"(automatic retraining {'on' if policy['automatic'] else 'off'})"
        )
        self.say(
            f"Cases: {state['n_usable']} usable of {state['n_cases']}, {state['n_counting']} since the last run; tests: "
            f"{state['n_test_patients']} patients, {state['n_frozen_cases']} frozen, {state['n_corrected_cases']} corrected"
        )
        for run in self._runs()[:1]:
            self.say(_run_line(run))

    def start(self, kind: str) -> None:
        """Ask for a retraining."""
        body = {"kind": "train", "project_id": self.project, "parameters": {"training": kind}}
        self._call("POST", "/v1/jobs", json=body)
        self.say(_run_line(self._runs()[0]))

    def watch(self) -> None:
        """Follow the newest run and its comparison to their end.

        Raises:
            NotFound: `no_training_run`.
            SegloopError: why the run failed.
        """
        shown = 0
        while True:
            run = self._call("GET", f"/v1/training-runs/{self._newest()['id']}")
            lines = run["log"].splitlines()
            for line in lines[shown:]:
                self.say(line)
            shown = len(lines)
            if run["state"] not in ACTIVE:
                break
            time.sleep(POLL_S)
        self.say(_run_line(run))
        if run["state"] == "failed":
            raise SegloopError(run["error_code"], run["error_message"])

    def cancel(self) -> None:
        """Stop the run that waits or trains."""
        self._call("POST", f"/v1/jobs/{self._newest()['job_id']}/cancel")
        self.say("The run stops within seconds; its cases stay for the next.")

    def list_versions(self) -> None:
        """List the versions, newest first, with their mean Dice on the test cases and the gate's verdict."""
        figures = self._call("GET", f"/v1/projects/{self.project}/model-versions/figures")["items"]
        measured = {item["model_version_id"]: item for item in figures}
        for version in self._versions():
            found = measured.get(version["id"])
            dice = [] if found is None else [f["mean"] for f in found["labels"] if f["metric"] == "dice"]
            known = [value for value in dice if value is not None]
            score = f", mean Dice {sum(known) / len(known):.3f}" if known else ""
            self.say(
                f"v{version['number']:<3} {version['stage']:<10} {version['name']}{score}{self._verdict(version)}"
            )

    def promote(self, number: int, reason: str) -> None:
        """Put a version into production, or roll back to it."""
        self._call("POST", f"/v1/model-versions/{self._id(number)}/promote", json={"reason": reason})
        self.say(f"v{number} is in production from the next job on.")

    def reject(self, number: int, reason: str) -> None:
        """Take a version out of the running for good."""
        self._call("POST", f"/v1/model-versions/{self._id(number)}/reject", json={"reason": reason})
        self.say(f"v{number} is rejected.")

    def compare(self, number: int) -> None:
        """Ask for a comparison with the version in production."""
        body = {
            "kind": "evaluate",
            "project_id": self.project,
            "input": {"model_version_id": self._id(number)},
        }
        self._call("POST", "/v1/jobs", json=body)
        self.say("The comparison is queued; `./segloop models list` shows its verdict.")

    def _verdict(self, version: Mapping[str, Any]) -> str:
        found = self._call("GET", f"/v1/model-versions/{version['id']}/comparisons")["items"]
        current = next((item for item in found if item["is_current"]), None)
        return "" if current is None else f" - {current['decision']['summary']}"

    def _runs(self) -> list[dict[str, Any]]:
        return list(self._call("GET", f"/v1/projects/{self.project}/training-runs")["items"])

    def _newest(self) -> dict[str, Any]:
        runs = self._runs()
        if not runs:
            raise NotFound("no_training_run", "There is no training run yet: ./segloop training start")
        return runs[0]

    def _versions(self) -> list[dict[str, Any]]:
        return list(self._call("GET", f"/v1/projects/{self.project}/model-versions")["items"])

    def _id(self, number: int) -> str:
        for version in self._versions():
            if version["number"] == number:
                return str(version["id"])
        raise NotFound("model_version_unknown", f"There is no version v{number} in this project.")

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self.http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise Unavailable(
                "api_unavailable", "The API can't be reached. Start it first: ./segloop up"
            ) from error
        if answer.is_success:
            return answer.json()
        body = answer.json()
        raise SegloopError(body["code"], body["detail"])


def connect(environment: Mapping[str, str], project: str, say: Say) -> Loop:
    """Return the loop of a project on the running stack."""
    headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
    http = httpx.Client(base_url=environment["SEGLOOP_API_URL"], headers=headers, timeout=30.0)
    return Loop(http, project, say)


def _run_line(run: Mapping[str, Any]) -> str:
    kind = run["kind"].replace("_", " ")
    text = f"Last run: {kind}, {run['state']}"
    if run["state"] == "running":
        text += f", {run['stage']}, {run['progress']:.0%}"
    if run["error_message"]:
        text += f": {run['error_message']}"
    return text
