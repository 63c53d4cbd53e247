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
    """Masks that the version in production learned from or was validated on, and masks that the last run placed, whatever became of it."""

    learned: frozenset[str]
    last_run: frozenset[str]

    def is_new(self, case: Case) -> bool:
        """Say whether production has not learned from this mask."""
        return case.mask_id not in self.learned

    def counts(self, case: Case) -> bool:
        """Say whether the case counts for the minimum of new corrections: a run that ended spends it."""
        return self.is_new(case) and case.mask_id not in self.last_run


def novelty(conn: Connection, *, project_id: str, production_id: str | None) -> Novelty:
    """Return what is known of a project's cases; a run that was cancelled or failed spends nothing."""
    learned = table.list_masks_of_versions(conn, ancestors(conn, production_id)) if production_id else set()
    ended = (run for run in table.list_(conn, project_id=project_id) if run.version_id is not None)
    last = next(ended, None)
    seen = table.list_masks_of_run(conn, last.id) if last is not None else set()
    return Novelty(frozenset(learned), frozenset(seen))
