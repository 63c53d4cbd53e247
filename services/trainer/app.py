"""The trainer's Celery app: `celery -A services.trainer.app worker -Q training --pool=threads`.

It takes self-tests today; training and evaluation come with the learning loop.
"""

from celery import Celery

from segloop import logs
from segloop.broker import QueueName, TaskName, install_bell, make_celery
from segloop.database import open_engine
from segloop.jobs.bell import Bell, selftest
from segloop.jobs.job import JobKind
from segloop.settings import Settings


def make_app(settings: Settings) -> Celery:
    """Return the trainer's app, wired from settings."""
    logs.configure(settings.log_level)
    celery = make_celery(settings.redis_url)
    engine = open_engine(settings.database_url, pool_size=3)
    bell = Bell(
        engine,
        queue=QueueName.TRAINING,
        works={JobKind.SELFTEST: selftest},
        settings=settings,
    )
    install_bell(celery, [TaskName.SELFTEST], ring=bell.ring, close=bell.close)
    return celery


def __getattr__(name: str) -> Celery:
    """Make the app when Celery asks for `app`, so that importing this module does no work."""
    if name == "app":
        globals()["app"] = make_app(Settings.from_env())
        return globals()["app"]
    raise AttributeError(name)
