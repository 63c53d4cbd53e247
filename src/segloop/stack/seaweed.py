"""The embedded SeaweedFS: the S3 object store, closed to every other process and writing through to the disk."""

import io
import json
import subprocess
from collections.abc import Mapping

import minio
import urllib3

from segloop.errors import Unavailable
from segloop.stack import certificates
from segloop.stack.binaries import Binaries
from segloop.stack.credentials import Credentials
from segloop.stack.home import Home
from segloop.stack.service import Service

BUCKET = "segloop"
PROBE_BUCKET, PROBE = "segloop-health", ".health"
_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "CLIENT")
_PORTS = {
    "s3.port": "s3",
    "s3.port.grpc": "s3_grpc",
    "master.port": "master",
    "master.port.grpc": "master_grpc",
    "volume.port": "volume",
    "volume.port.grpc": "volume_grpc",
    "filer.port": "filer",
    "filer.port.grpc": "filer_grpc",
    "admin.port": "admin",
    "admin.port.grpc": "admin_grpc",
}
# Each of these closes a door that is open by default; reasons are in docs/decisions.
_HARDENING = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-disableHttp",  # the master's HTTP port lets anybody delete a bucket
    "-master.telemetry=false",
    "-admin.ui=false",
    "-webdav=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.iam=false",
    "-s3.autoCreateBucket=false",
    "-s3.allowDeleteBucketNotEmpty=false",
)


def service(home: Home, credentials: Credentials, binaries: Binaries, ports: Mapping[str, int]) -> Service:
    """Describe the object store of this installation."""
    folder = home.folder_for("seaweed")
    identities = folder / "identities.json"
    command = [
        str(binaries.weed),
        "-logtostderr=true",
        "mini",
        f"-dir={folder}/data",
        f"-s3.config={identities}",
    ]
    command += [
        *_HARDENING,
        f"-s3.localSocket={folder}/s3.sock",
        f"-filer.localSocket={folder}/filer.sock",
    ]
    command += [f"-{flag}={ports[name]}" for flag, name in _PORTS.items()]

    def prepare() -> None:
        (folder / "data").mkdir(mode=0o700, exist_ok=True)
        home.give(folder / "data")
        certificates.ensure(home, home.folder_for("seaweed/certificates"))
        home.write_private(identities, _identities(credentials), for_server=True)

    def initialize() -> None:
        make_bucket(credentials, ports["s3"], BUCKET)
        ensure_fsync(home, credentials, binaries, ports)

    return Service(
        name="seaweed",
        command=tuple(command),
        folder=folder,
        environment=_environment(home, credentials),
        prepare=prepare,
        check=lambda: probe(credentials, ports["s3"]),
        initialize=initialize,
        stop_limit_s=6,  # it has been seen to hang on SIGTERM after a full disk; kill -9 loses nothing acknowledged
        unprivileged=True,
        port=ports["s3"],
    )


def client(credentials: Credentials, port: int) -> minio.Minio:
    """Return a client that fails at once instead of retrying."""
    pool = urllib3.PoolManager(retries=False, timeout=5)
    return minio.Minio(
        f"127.0.0.1:{port}",
        access_key=credentials.s3_access_key,
        secret_key=credentials.s3_secret_key,
        secure=False,
        region="us-east-1",
        http_client=pool,
    )


def make_bucket(credentials: Credentials, port: int, name: str) -> None:
    """Make the bucket if missing."""
    s3 = client(credentials, port)
    if not s3.bucket_exists(name):
        s3.make_bucket(name)


def probe(credentials: Credentials, port: int) -> None:
    """Write and read one small object; raises while the store can't do both."""
    s3 = client(credentials, port)
    if not s3.bucket_exists(PROBE_BUCKET):
        s3.make_bucket(PROBE_BUCKET)
    s3.put_object(PROBE_BUCKET, PROBE, io.BytesIO(b"ok"), 2)
    response = s3.get_object(PROBE_BUCKET, PROBE)
    try:
        if response.read() != b"ok":
            raise Unavailable(
                "store_unusable",
                "The object store does not return what was written to it.",
            )
    finally:
        response.close()
        response.release_conn()


def ensure_fsync(home: Home, credentials: Credentials, binaries: Binaries, ports: Mapping[str, int]) -> None:
    """Switch on fsync for every bucket and read the setting back.

    Raises:
        Unavailable: the store did not keep the setting.
    """
    if not fsync_is_on(home, credentials, binaries, ports):
        shell(
            home,
            credentials,
            binaries,
            ports,
            "fs.configure -locationPrefix=/buckets/ -fsync -apply",
        )
        if not fsync_is_on(home, credentials, binaries, ports):
            raise Unavailable(
                "fsync_not_set",
                "The object store refused to write through to the disk (fsync).",
            )


def fsync_is_on(home: Home, credentials: Credentials, binaries: Binaries, ports: Mapping[str, int]) -> bool:
    """Say whether the store's own configuration has fsync for /buckets/."""
    text = shell(home, credentials, binaries, ports, "fs.configure")
    start, end = text.find("{"), text.rfind("}")
    if start < 0:
        return False
    rules = json.loads(text[start : end + 1]).get("locations", [])
    return any(rule.get("locationPrefix") == "/buckets/" and rule.get("fsync") for rule in rules)


def shell(
    home: Home,
    credentials: Credentials,
    binaries: Binaries,
    ports: Mapping[str, int],
    command: str,
) -> str:
    """Run one command of the store's admin shell and return its output."""
    result: subprocess.CompletedProcess[str] = subprocess.run(
        shell_command(binaries, ports),
        check=False,
        input=f"{command}\nexit\n",
        capture_output=True,
        text=True,
        timeout=30,
        cwd=home.root / "seaweed",
        env=_environment(home, credentials),
        **home.drop,
    )
    return result.stdout


def shell_command(binaries: Binaries, ports: Mapping[str, int]) -> list[str]:
    """Return the command line of the admin shell; without our certificates it never gets a connection."""
    master = f"127.0.0.1:{ports['master']}.{ports['master_grpc']}"
    filer = f"127.0.0.1:{ports['filer']}.{ports['filer_grpc']}"
    return [
        str(binaries.weed),
        "-logtostderr=true",
        "shell",
        f"-master={master}",
        f"-filer={filer}",
    ]


def _environment(home: Home, credentials: Credentials) -> dict[str, str]:
    folder = home.root / "seaweed"
    environment = {
        "TZ": "UTC",
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "GOMEMLIMIT": "768MiB",
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
        "WEED_JWT_SIGNING_KEY": credentials.seaweed_volume_jwt,
        "WEED_JWT_FILER_SIGNING_KEY": credentials.seaweed_filer_jwt,
        "WEED_JWT_FILER_SIGNING_READ_KEY": credentials.seaweed_filer_read_jwt,
        "WEED_GRPC_CA": f"{folder}/certificates/ca.crt",
    }
    for part in _PARTS:
        environment[f"WEED_GRPC_{part}_CERT"] = f"{folder}/certificates/node.crt"
        environment[f"WEED_GRPC_{part}_KEY"] = f"{folder}/certificates/node.key"
    return environment


def _identities(credentials: Credentials) -> str:
    keys = {
        "accessKey": credentials.s3_access_key,
        "secretKey": credentials.s3_secret_key,
    }
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": "segloop", "credentials": [keys], "actions": actions}]})
