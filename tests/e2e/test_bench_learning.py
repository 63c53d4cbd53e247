"""The benchmark of learning drives the whole running stack, goes on where it was cut off and sends nothing twice."""

from pathlib import Path

import httpx
import pytest

from segloop.errors import InvalidInput
from segloop.stack.learning import proof


@pytest.mark.timeout(900)  # a start, four trainings and their comparisons, on a machine that may be busy
def test_the_short_benchmark_goes_through_api_queue_trainer_and_gate(home: Path, api: httpx.Client) -> None:
    said: list[str] = []
    assert proof.run(home, None, said.append, short=True, minutes=0)["rows"] == []
    found = proof.run(home, None, said.append, short=True, minutes=None)
    assert [row["round"] for row in found["rows"]] == [0, 1]
    assert {"fed fully", "fed fully, candidates", "fed as slices", "from scratch"} < set(found["arms"])
    (work,) = (home / "bench/learning").glob("*/")
    assert "round 1: *" in (work / "curve.md").read_text()
    slugs = [project["slug"] for project in api.get("/v1/projects").json()["items"]]
    for arm, whole in (("fully", True), ("slices", False)):
        (project,) = [slug for slug in slugs if slug == f"learning-{work.name}-0-{arm}"]
        cases = api.get(f"/v1/projects/{project}/training-cases").json()["items"]
        assert sorted((case["origin"], case["is_test"], case["is_dense"]) for case in cases) == sorted(
            [("ground_truth", False, True)] * 2
            + [("corrected", True, True)] * 2
            + [("corrected", False, whole)] * 2
        )
        (run,) = api.get(f"/v1/projects/{project}/training-runs").json()["items"]
        assert (run["state"], run["kind"]) == ("succeeded", "quick_tune")
        first, candidate = reversed(api.get(f"/v1/projects/{project}/model-versions").json()["items"])
        assert run["version_id"] == candidate["id"] and candidate["parent_id"] == first["id"]
        (comparison,) = api.get(f"/v1/model-versions/{candidate['id']}/comparisons").json()["items"]
        in_use = first if comparison["outcome"] == "reject" else candidate
        assert in_use["stage"] == "production"
    assert proof.run(home, None, said.append, short=True, minutes=None) == found
    for arm in ("fully", "slices"):
        path = f"/v1/projects/learning-{work.name}-0-{arm}"
        assert len(api.get(f"{path}/training-runs").json()["items"]) == 1
        assert api.get(f"{path}/feedback/statistics").json()["overall"]["corrected"] == 4


def test_without_data_only_the_short_benchmark_runs(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        proof.run(tmp_path, None, lambda _: None, short=False, minutes=None)
    assert refused.value.code == "dataset_missing"
