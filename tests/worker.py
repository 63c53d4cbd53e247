"""A segmentation worker in a thread of the test, with a model that answers by the HU alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segloop.database import open_engine
from segloop.jobs.run import Limits, run_next
from segloop.nnunet.bundle import import_model
from segloop.nnunet.tiny import write_tiny_model
from segloop.settings import Settings
from services.worker_gpu.model_cache import ModelCache
from services.worker_gpu.segment import Segmenter
from services.worker_gpu.tasks import works
from tests.learning import put_into_production, store_of
from tests.training_runs import NAMES

LIMITS = Limits(lease_s=60.0, heartbeat_s=2.0, max_failures=3, max_interruptions=5)


@contextmanager
def working(settings: Settings, folder: Path) -> Iterator[None]:
    """Put a model into production and do whatever job comes, until the block ends."""
    model = write_tiny_model(folder / "model", labels=len(NAMES), label_names=tuple(NAMES))
    import_model(model, folder / "bundle")
    engine = open_engine(settings.database_url)
    put_into_production(engine, settings, folder / "bundle")
    segmenter = Segmenter(engine, store_of(settings), ModelCache(2**30), folder, "cpu", 1)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            if (
                run_next(engine, queue="segmentation", works=works(segmenter), worker="w", limits=LIMITS)
                is None
            ):
                stop.wait(0.2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        engine.dispose()
