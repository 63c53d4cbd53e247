"""A project's training policy: plain values, versioned, with defaults for a project that has changed nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import InvalidInput
from segloop.jobs.table import lock_training
from segloop.training.policies import table
from segloop.training.protocol import Protocol
from segloop.training.recipe import Recipe
from segloop.training.split import SplitPolicy

Kind = Literal["quick_tune", "full_retrain"]
KINDS: tuple[Kind, ...] = ("quick_tune", "full_retrain")


@dataclass(frozen=True)
class TrainingPolicy:
    """When a project retrains and what a candidate must show; `version` is 0 for the defaults.

    Args:
        minimum_corrections: New cases below which no retraining starts.
        automatic: Whether it starts by itself once there are so many.
        automatic_kind: What is started then.
        automatic_promotion: Whether a candidate that passes every check goes live without a person.
        validation_share: Share of patients that validate.
        test_share: Share of patients that the hash freezes for tests.
        recipes: What differs from the device's usual recipe, by kind.
        gate: Fields of `Protocol` that differ from its defaults, without `labels` and `version`.

    Raises:
        InvalidInput: `training_policy`, `split_policy`, `gate_protocol` or `recipe_invalid`.
    """

    minimum_corrections: int = 5
    automatic: bool = False
    automatic_kind: Kind = "quick_tune"
    automatic_promotion: bool = False
    validation_share: float = 0.2
    test_share: float = 0.15
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0

    def __post_init__(self) -> None:
        if self.minimum_corrections < 1 or self.automatic_kind not in KINDS or set(self.recipes) - set(KINDS):
            raise InvalidInput(
                "training_policy",
                "The training policy holds a value that makes no sense: at least one correction, and a known kind.",
            )
        for recipe in self.recipes.values():
            Recipe.from_dict({**Recipe().to_dict(), **recipe})
        self.split_policy("any")
        self.protocol(["any"])

    def split_policy(self, project_id: str) -> SplitPolicy:
        """Return the rule of the split; the project's id is its key, so that the rule never changes with a secret."""
        return SplitPolicy(project_id.encode(), self.validation_share, self.test_share)

    def protocol(self, labels: list[str]) -> Protocol:
        """Return the gate's protocol for these labels; margins of labels that a version lacks are left out.

        Raises:
            InvalidInput: `gate_protocol`.
        """
        body = {**Protocol(tuple(labels)).to_dict(), **self.gate, "labels": labels, "version": self.version}
        try:
            body["margins"] = {name: margin for name, margin in body["margins"].items() if name in labels}
            return Protocol.from_dict(body)
        except (AttributeError, TypeError) as error:
            raise InvalidInput(
                "gate_protocol", "The gate's protocol holds a value that makes no sense; correct it."
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the version."""
        return {name: value for name, value in asdict(self).items() if name != "version"}


def current(conn: Connection, *, project_id: str) -> TrainingPolicy:
    """Return the policy in force."""
    row = table.find_newest(conn, project_id=project_id)
    return TrainingPolicy() if row is None else TrainingPolicy(**row.body, version=row.version)


def change(conn: Connection, *, project_id: str, actor: str, **values: Any) -> TrainingPolicy:
    """Append a version of the policy with some values changed, and return it; no change appends nothing.

    Of `gate`, too, what is left out stays.

    Raises:
        InvalidInput: as `TrainingPolicy`.
    """
    lock_training(conn, project_id=project_id)
    before = current(conn, project_id=project_id)
    wanted = {**before.to_dict(), **values}
    wanted["gate"] = {**before.gate, **values.get("gate", {})}
    if wanted == before.to_dict():
        return before
    TrainingPolicy(**wanted)
    row = table.insert_policy(conn, project_id=project_id, actor=actor, body=wanted)
    changed = {name: value for name, value in wanted.items() if value != before.to_dict()[name]}
    record(
        conn,
        actor=actor,
        action="training_policy.changed",
        object_type="training_policy",
        object_id=row.id,
        project_id=project_id,
        changed=changed,
    )
    return TrainingPolicy(**wanted, version=row.version)
