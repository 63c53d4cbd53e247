"""`python -m services.worker_gpu.drain`: work until nothing waits, then end."""

from segloop.jobs.drain import drain
from segloop.settings import Settings
from services.worker_gpu.app import make_bell

if __name__ == "__main__":
    drain(make_bell(Settings.from_env()))
