"""The trainer's Celery app: `celery -A services.trainer.app worker -Q training --pool=threads`."""

from celery import Celery

from segloop import logs
from segloop.broker import QueueName, TaskName, install_bell, make_celery
from segloop.database import open_engine
from segloop.jobs.bell import Bell
from segloop.nnunet.device import choose
from segloop.settings import Settings, child_environment
from segloop.storage import open_store
from services.trainer.evaluate import Evaluator
from services.trainer.tasks import works
from services.trainer.train import Trainer


def make_app(settings: Settings) -> Celery:
    """Return the trainer's app, wired from settings."""
    bell = make_bell(settings)
    celery = make_celery(settings.redis_url)
    tasks = [TaskName.TRAIN, TaskName.EVALUATE, TaskName.SELFTEST]
    install_bell(celery, tasks, ring=bell.ring, close=bell.close, beat=bell.beat)
    return celery


def make_bell(settings: Settings) -> Bell:
    """Return what does the trainer's jobs."""
    logs.configure(settings.log_level)
    engine = open_engine(settings.database_url, pool_size=3)
    store = open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
        secure=settings.s3_secure,
    )
    device = choose(settings.device)
    trainer = Trainer(
        engine,
        store,
        settings.scratch,
        device,
        settings.training_threads,
        settings.training_processes,
        settings.training_cache_bytes,
        child_environment(),
    )
    evaluator = Evaluator(engine, store, settings.scratch, device, settings.inference_threads)
    return Bell(engine, queue=QueueName.TRAINING, works=works(trainer, evaluator), settings=settings)


def __getattr__(name: str) -> Celery:
    """Make the app when Celery asks for `app`, so that importing this module does no work."""
    if name == "app":
        globals()["app"] = make_app(Settings.from_env())
        return globals()["app"]
    raise AttributeError(name)
