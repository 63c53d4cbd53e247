"""The three embedded servers together, less those that the environment says exist already."""

from collections.abc import Mapping
from dataclasses import dataclass

from segloop.errors import InvalidInput
from segloop.stack import binaries, credentials, ports, postgres, seaweed, valkey
from segloop.stack.home import Home
from segloop.stack.service import Service


@dataclass(frozen=True)
class Servers:
    """What is known of one installation's servers: where they are and how to get in."""

    home: Home
    credentials: credentials.Credentials
    ports: Mapping[str, int]
    services: tuple[Service, ...]

    def environment(self) -> dict[str, str]:
        """Return the connection settings of the servers we start ourselves, as environment variables."""
        keys, own = self.credentials, {service.name for service in self.services}
        environment = {}
        if "postgres" in own:
            port = self.ports["postgres"]
            environment["SEGLOOP_DATABASE_URL"] = postgres.url(keys.postgres_app, port, user=postgres.APP)
            environment["SEGLOOP_WORKER_DATABASE_URL"] = postgres.url(
                keys.postgres_worker, port, user=postgres.WORKER
            )
            environment["SEGLOOP_IDENTITY_DATABASE_URL"] = postgres.url(
                keys.postgres_identity, port, user=postgres.IDENTITY
            )
            environment["SEGLOOP_OWNER_DATABASE_URL"] = postgres.url(
                keys.postgres_owner, port, user=postgres.OWNER
            )
        if "valkey" in own:
            environment["SEGLOOP_REDIS_URL"] = valkey.url(keys.valkey, self.ports["valkey"])
        if "seaweed" in own:
            environment["SEGLOOP_S3_ENDPOINT"] = f"127.0.0.1:{self.ports['s3']}"
            environment["SEGLOOP_S3_ACCESS_KEY"] = keys.s3_access_key
            environment["SEGLOOP_S3_SECRET_KEY"] = keys.s3_secret_key
            environment["SEGLOOP_S3_BUCKET"] = seaweed.BUCKET
        return environment


def describe(home: Home, environ: Mapping[str, str]) -> Servers:
    """Choose ports, load secrets and describe each server that `environ` doesn't already point elsewhere.

    Call it with the supervisor's lock held.

    Raises:
        InvalidInput: the environment names a server but not all that is needed to use it.
    """
    keys, chosen = credentials.load_or_create(home), ports.choose(home)
    services: list[Service] = []
    # The store is listed first: Postgres may spend seconds making its cluster, and the store starts meanwhile.
    wanted = [name for name, given in _GIVEN_BY.items() if not environ.get(given[0])]
    for name, (_, *others) in _GIVEN_BY.items():
        missing = [other for other in others if not environ.get(other)]
        if name not in wanted and missing:
            raise InvalidInput(
                "settings_missing",
                f"{_GIVEN_BY[name][0]} is set; set {', '.join(missing)} as well.",
            )
    if wanted:
        executables = binaries.locate(home)
        if "seaweed" in wanted:
            services.append(seaweed.service(home, keys, executables, chosen))
        if "valkey" in wanted:
            services.append(valkey.service(home, keys, executables, chosen["valkey"]))
        if "postgres" in wanted:
            services.append(postgres.service(home, keys, executables, chosen["postgres"]))
    return Servers(home, keys, chosen, tuple(services))


_GIVEN_BY = {
    "seaweed": (
        "SEGLOOP_S3_ENDPOINT",
        "SEGLOOP_S3_ACCESS_KEY",
        "SEGLOOP_S3_SECRET_KEY",
    ),
    "valkey": ("SEGLOOP_REDIS_URL",),
    "postgres": ("SEGLOOP_DATABASE_URL", "SEGLOOP_OWNER_DATABASE_URL", "SEGLOOP_WORKER_DATABASE_URL"),
}
