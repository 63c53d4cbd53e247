"""What this worker can do: kinds of job to the functions that do them."""

from segloop.jobs.bell import selftest
from segloop.jobs.job import JobKind
from segloop.jobs.run import Work
from services.worker_gpu.segment import Segmenter


def works(segmenter: Segmenter) -> dict[str, Work]:
    """Return the work of each kind this worker takes."""
    return {JobKind.SEGMENT: segmenter.work, JobKind.SELFTEST: selftest}
