"""All that is on record about versions: where each comes from, what it learned from, how good it is, who decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from segloop.database import Connection
from segloop.model_versions import table as model_versions_table
from segloop.training.card import model_card
from segloop.training.comparisons import stored
from segloop.training.comparisons import table as comparisons_table
from segloop.training.comparisons.figures import Figure, figures
from segloop.training.runs import table
from segloop.training.runs.lineage import ancestors


@dataclass(frozen=True)
class Lineage:
    """A version with its ancestors (nearest first), the run that made it, that run's cases, and its decisions."""

    version: Row[Any]
    ancestors: Sequence[Row[Any]]
    run: Row[Any] | None
    cases: Sequence[Row[Any]]
    history: Sequence[Row[Any]]
    card: str


def of_version(conn: Connection, version: Row[Any]) -> Lineage:
    """Return what is on record about a version, with its model card made from that."""
    above = [model_versions_table.get(conn, one) for one in ancestors(conn, version.id)[1:]]
    run = table.find_by_version(conn, version.id)
    cases = [] if run is None else table.list_cases(conn, run.id)
    history = comparisons_table.list_stage_changes(conn, model_version_id=version.id)
    own, before = _own_and_parents(conn, version)
    card = model_card(
        version,
        parent=above[0] if above else None,
        run=run,
        cases=cases,
        figures=own,
        parent_figures=before,
        history=history,
    )
    return Lineage(version, above, run, cases, history, card)


def measured(conn: Connection, *, project_id: str) -> list[dict[str, Any]]:
    """Return the newest evaluation of each version of a project as figures, by number."""
    versions = {row.id: row for row in model_versions_table.list_(conn, project_id=project_id)}
    found = []
    for row in comparisons_table.list_newest_evaluations(conn, project_id=project_id):
        evaluation, version = stored.from_json(row.scores), versions[row.model_version_id]
        found.append(
            {
                "model_version_id": version.id,
                "number": version.number,
                "stage": version.stage,
                "evaluated_at": row.created_at,
                "cases_sha256": row.cases_sha256,
                "n_frozen": len(evaluation.frozen),
                "n_corrected": len(evaluation.corrected),
                "labels": [vars(figure) for figure in figures(evaluation)],
            }
        )
    return sorted(found, key=lambda item: int(item["number"]))


def _own_and_parents(conn: Connection, version: Row[Any]) -> tuple[list[Figure], list[Figure]]:
    """Return the version's figures and its parent's from its newest comparison with it, on the same cases."""
    for comparison in comparisons_table.list_(conn, candidate_id=version.id):
        if comparison.production_id == version.parent_id:
            ids = (comparison.candidate_evaluation_id, comparison.production_evaluation_id)
            own, before = (_figures(conn, one) for one in ids)
            return own, before
    for row in comparisons_table.list_newest_evaluations(conn, project_id=version.project_id):
        if row.model_version_id == version.id:
            return figures(stored.from_json(row.scores)), []
    return [], []


def _figures(conn: Connection, evaluation_id: str | None) -> list[Figure]:
    if evaluation_id is None:
        return []
    return figures(stored.from_json(comparisons_table.get_evaluation(conn, evaluation_id).scores))
