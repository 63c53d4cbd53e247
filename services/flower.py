"""The Celery app that Flower watches the queues through; always behind a password, whatever its options say."""

from flower.options import options
from flower.views.monitor import Metrics
from tornado.web import authenticated

from segloop.broker import make_celery
from segloop.settings import Settings

USER = "segloop"

# Flower reads the app's module before its own options, so this is the default that an option would have to replace.
_settings = Settings.from_env()
options.basic_auth = [f"{USER}:{_settings.token}"]
# Its metrics name workers and tasks to anybody, unlike its pages; only its health check stays open.
Metrics.get = authenticated(Metrics.get)
app = make_celery(_settings.redis_url)
