"""What of a mask a person vouched for, in the words that results say it with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Review:
    """Who vouched for which part of a mask, and as what; `by` is empty where nobody did.

    `role` is what they were in the project then, empty where that is not known. `slices` is empty for all of them, else words;
    `labels` are the names of the labels that were reviewed, None for all. `at` is when, as ISO text in UTC.
    """

    by: str = ""
    role: str = ""
    slices: str = ""
    labels: tuple[str, ...] | None = None
    at: str = ""

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Review":
        """Return a review of plain values."""
        labels = said["labels"]
        return cls(**{**said, "labels": None if labels is None else tuple(labels)})

    @property
    def is_whole(self) -> bool:
        """Every voxel and label was looked at."""
        return bool(self.by) and not self.slices and self.labels is None

    @property
    def word(self) -> str:
        """What a series description says of it."""
        if not self.by:
            return "unreviewed"
        return "reviewed" if self.is_whole else "part reviewed"

    @property
    def who(self) -> str:
        """The person and their role."""
        return f"{self.by} ({self.role})" if self.role else self.by

    @property
    def statement(self) -> str:
        """Return the words after who or what made it."""
        if not self.by:
            return "not reviewed"
        return f"reviewed{'' if self.is_whole else ' in part'} by {self.who}"

    @property
    def extent(self) -> str:
        """Which part it was, as a line; empty for all of it and for nothing."""
        if not self.by or self.is_whole:
            return ""
        labels = "all labels" if self.labels is None else f"only {', '.join(self.labels)}"
        return f"Reviewed: {self.slices or 'all slices'}; {labels}."

    def word_of(self, label: str) -> str:
        """Return the word for one label, by its name."""
        if not self.by or (self.labels is not None and label not in self.labels):
            return "unreviewed"
        return "part reviewed" if self.slices else "reviewed"

    def of(self, label: str) -> str:
        """Return what is said of one label, by its name."""
        if self.word_of(label) == "unreviewed":
            return "Not reviewed"
        return f"Reviewed by {self.who}" + (f" in {self.slices}" if self.slices else "")


NOBODY = Review()
"""Of a mask that nobody vouched for."""
