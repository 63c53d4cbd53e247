"""Where a version comes from: its ancestors, what they learned from, and which cases are new to it."""

from dataclasses import dataclass

from segloop.database import Connection
from segloop.model_versions import table as model_versions_table
from segloop.training.cases.case import Case
from segloop.training.runs import table


def ancestors(conn: Connection, version_id: str | None) -> list[str]:
    """Return a version's id and those of its parents, the nearest first."""
    found: list[str] = []
    while version_id is not None and version_id not in found:
        found.append(version_id)
        version_id = model_versions_table.get(conn, version_id).parent_id
    return found


@dataclass(frozen=True)
class Novelty:
    """Masks that the version in production learned from or was validated on, and those that runs placed.

    `last_run`: the last run that gave a candidate, whatever became of that. `last_try`: the last run, however it ended.
    """

    learned: frozenset[str]
    last_run: frozenset[str]
    last_try: frozenset[str]

    def is_new(self, case: Case) -> bool:
        """Say whether production has not learned from this mask."""
        return case.mask_id not in self.learned

    def counts(self, case: Case) -> bool:
        """Say whether the case counts for the minimum of new corrections: a run that gave a candidate spends it."""
        return self.is_new(case) and case.mask_id not in self.last_run

    def starts(self, case: Case) -> bool:
        """Say whether the case counts for a start by itself: what failed or was cancelled is not done over and over."""
        return self.counts(case) and case.mask_id not in self.last_try


def novelty(conn: Connection, *, project_id: str, production_id: str | None) -> Novelty:
    """Return what is known of a project's cases; a run that was cancelled or failed spends nothing for people."""
    learned = table.list_masks_of_versions(conn, ancestors(conn, production_id)) if production_id else set()
    runs = table.list_(conn, project_id=project_id)
    last = [run.id for run in runs if run.version_id is not None][:1]
    seen, tried = (
        frozenset(mask for run_id in ids for mask in table.list_masks_of_run(conn, run_id))
        for ids in (last, [run.id for run in runs[:1]])
    )
    return Novelty(frozenset(learned), seen, tried)
