"""`python -m services.trainer.drain`: work until nothing waits, then end."""

from segloop.jobs.drain import drain
from segloop.settings import Settings
from services.trainer.app import make_bell

if __name__ == "__main__":
    drain(make_bell(Settings.from_env()))
