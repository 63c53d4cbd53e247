"""`python -m services.reachable database broker`: the health check of a process that serves no HTTP itself."""

import sys
from collections.abc import Sequence

from segloop import broker, database
from segloop.errors import SegloopError
from segloop.settings import Settings


def unreachable(names: Sequence[str], settings: Settings) -> list[str]:
    """Return those of `names` (database, broker) that don't answer."""
    checks = {
        "database": lambda: database.ping(database.open_engine(settings.database_url, pool_size=1)),
        "broker": lambda: broker.ping(broker.make_celery(settings.redis_url)),
    }
    down = []
    for name in names:
        try:
            checks[name]()
        except SegloopError:
            down.append(name)
    return down


if __name__ == "__main__":
    if down := unreachable(sys.argv[1:], Settings.from_env()):
        sys.exit(f"can't be reached: {', '.join(down)}")
