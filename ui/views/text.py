"""How times and jobs read to a person."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from segloop.errors import SegloopError
from segloop.jobs.job import HELD_QUEUE
from segloop.schemas import JobOut

WORRY_AFTER_S = 20
STAGES = [
    "claimed",
    "fetching",
    "loading model",
    "preprocessing",
    "predicting",
    "exporting",
    "encoding",
    "storing",
]
_MARKDOWN = str.maketrans({sign: "\\" + sign for sign in "\\`*_[]()#$~:<>!|"})
HINTS = {
    "no_model": "The CT is stored and can be looked at and annotated. An admin adds a model: on the server, `./segloop models import FOLDER_OR_ZIP --promote REASON`.",
}

NOTES = {
    "localizer_dropped": "A localizer among the slices was left out.",
    "rescale_varies": "The slices have rescales of their own; each was applied.",
    "derived": "The scanner calls this series derived, not original.",
    "lossy": "The images were compressed with loss before they came here.",
    "not_axial": "The slices are not axial.",
    "patient_reference_ignored": "The patient is who the DICOM says, not the reference that was typed.",
    "thickness_differs": "Slices are thicker or thinner than their distance.",
}
"""What to know of a volume that came as DICOM, by the API's codes."""


def duration(seconds: float) -> str:
    """Return a length of time such as "42 s", "3 min" or "2 h 05 min"."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def age(at: datetime, now: datetime | None = None) -> str:
    """Return how long ago a moment was."""
    return f"{duration(max(((now or datetime.now(UTC)) - at).total_seconds(), 0))} ago"


def moment(at: datetime) -> str:
    """Return a moment as text that stays the same however often it is shown."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def job_line(job: JobOut) -> str:
    """Return where a job stands, in one line."""
    if job.state == "queued" and job.queue == HELD_QUEUE:
        return (
            "Waiting for the result of the same work" if job.volume_id else "Waiting for its CT from the PACS"
        )
    if job.state == "queued":
        place = f"Waiting, number {job.queue_position} in the queue" if job.queue_position else "Waiting"
        return f"{place}{_left(job)}"
    if job.state == "running":
        stopping = " · stopping" if job.cancel_requested else ""
        return f"{job.stage.capitalize()} · {job.progress:.0%}{_left(job)}{stopping}"
    if job.state == "failed" and job.error:
        return f"Failed: {job.error.message}"
    return job.state.capitalize()


def waiting_hint(job: JobOut, now: datetime | None = None) -> str:
    """Return what to do about a job that nobody takes, or "" while there is no reason to worry."""
    waited_s = ((now or datetime.now(UTC)) - job.created_at).total_seconds()
    if job.state != "queued" or job.queue == HELD_QUEUE or waited_s < WORRY_AFTER_S:
        return ""
    return (
        f"No worker has taken this job for {duration(waited_s)}, and none is busy. It is safe and will run as soon as a "
        "worker is back; ask operations to look at the workers (`./segloop status`, or Flower)."
    )


def explain(error: SegloopError) -> str:
    """Return an error as a person reads it: what happened, what to do, and its code for operations."""
    hint = HINTS.get(error.code, "")
    return f"{error.message}{' ' + hint if hint else ''}  \n:small[code `{error.code}`]"


def plain(name: str) -> str:
    """Return a name that somebody typed as Markdown that shows it and nothing else."""
    return name.translate(_MARKDOWN)


def person(name: str) -> str:
    """Return a DICOM name (PS3.5 6.2) as "Family, Given Middle", in the spelling that comes first."""
    spelling = next((part for part in name.split("=") if part.strip("^ ")), "")
    family, *others = (part.strip() for part in spelling.split("^"))
    given = " ".join(filter(None, others[:2]))
    return ", ".join(filter(None, [family, given]))


def day(date: str) -> str:
    """Return a DICOM date (YYYYMMDD) as YYYY-MM-DD, and anything else as it is."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else date


def source_notes(notes: Sequence[str]) -> str:
    """Return what a person should know of where a volume came from."""
    return "  \n".join(NOTES.get(note, note) for note in notes)


def as_csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return rows as CSV (RFC 4180), nothing for None; text that a spreadsheet would run as a formula is made text."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return file.getvalue()


def _harmless(value: object) -> object:
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )


def stage_times(job: JobOut) -> str:
    """Return how long each stage took, such as "fetching 0.4 s, predicting 12 s"."""
    return ", ".join(
        f"{stage} {seconds:.1f} s" if seconds < 10 else f"{stage} {duration(seconds)}"
        for stage, seconds in sorted(job.timings.items(), key=_place)
        if seconds >= 0.05
    )


def _place(timing: tuple[str, float]) -> int:
    # JSON objects come back from the database in an order of their own.
    return STAGES.index(timing[0]) if timing[0] in STAGES else len(STAGES)


def _left(job: JobOut) -> str:
    return "" if job.time_left_s is None else f" · about {duration(job.time_left_s)} left"
