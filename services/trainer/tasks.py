"""What this worker can do: kinds of job to the functions that do them."""

from segloop.jobs.bell import selftest
from segloop.jobs.job import JobKind
from segloop.jobs.run import Work
from services.trainer.evaluate import Evaluator
from services.trainer.train import Trainer


def works(trainer: Trainer, evaluator: Evaluator) -> dict[str, Work]:
    """Return the work of each kind this worker takes."""
    return {
        JobKind.TRAIN: trainer.work,
        JobKind.EVALUATE: evaluator.work,
        JobKind.SELFTEST: selftest,
    }
