"""The segmentation worker's Celery app: `celery -A services.worker_gpu.app worker -Q segmentation --pool=threads`.

With `SEGLOOP_WORKER_TAKES=stat` it hears the queue `segmentation-stat` and takes nothing else.
"""

from celery import Celery

from segloop import logs
from segloop.broker import QueueName, TaskName, install_bell, make_celery
from segloop.database import open_engine
from segloop.errors import InvalidInput
from segloop.jobs.bell import Bell
from segloop.jobs.job import Priority
from segloop.settings import Settings
from segloop.storage import open_store
from services.worker_gpu.model_cache import ModelCache
from services.worker_gpu.segment import Segmenter
from services.worker_gpu.tasks import works

TAKES = {
    "all": (QueueName.SEGMENTATION, Priority.ROUTINE),
    "stat": (QueueName.SEGMENTATION_STAT, Priority.STAT),
}
"""By what a worker takes: the queue that it hears, and the least urgent job that it claims."""


def make_app(settings: Settings) -> Celery:
    """Return the worker's app, wired from settings.

    Raises:
        InvalidInput: `settings_invalid`.
    """
    bell = make_bell(settings)
    heard, _ = TAKES[settings.worker_takes]
    # It knows its own queue only: started on the other it ends at once, instead of taking bells that are not for it.
    celery = make_celery(settings.redis_url, [heard])
    install_bell(
        celery, [TaskName.SEGMENT, TaskName.SELFTEST], ring=bell.ring, close=bell.close, beat=bell.beat
    )
    return celery


def make_bell(settings: Settings) -> Bell:
    """Return what does this worker's jobs.

    Raises:
        InvalidInput: `settings_invalid`.
    """
    if settings.worker_takes not in TAKES:
        raise InvalidInput("settings_invalid", f"SEGLOOP_WORKER_TAKES is one of {', '.join(TAKES)}.")
    _, least_urgent = TAKES[settings.worker_takes]
    logs.configure(settings.log_level)
    engine = open_engine(settings.database_url, pool_size=6)  # two jobs at a time, each with its heartbeat
    store = open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
        secure=settings.s3_secure,
    )
    segmenter = Segmenter(
        engine,
        store,
        ModelCache(settings.model_cache_bytes),
        settings.scratch,
        settings.device,
        settings.inference_threads,
    )
    return Bell(
        engine,
        queue=QueueName.SEGMENTATION,
        works=works(segmenter),
        settings=settings,
        least_urgent=least_urgent,
    )


def __getattr__(name: str) -> Celery:
    """Make the app when Celery asks for `app`, so that importing this module does no work."""
    if name == "app":
        globals()["app"] = make_app(Settings.from_env())
        return globals()["app"]
    raise AttributeError(name)
