"""The data folder of one installation: where everything that outlives a restart is kept."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segloop.errors import InvalidInput

# SeaweedFS keeps Unix sockets in its folder, and the kernel takes no socket path longer than 107 bytes.
LONGEST_HOME = 80


@dataclass(frozen=True)
class Account:
    """The unprivileged system account that the three servers run as when Segloop is started by root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Home:
    """One data folder; `account` is set only when the supervisor is root."""

    root: Path
    account: Account | None

    @property
    def run(self) -> Path:
        """Lock, pid files, ports, state: what describes the running stack."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """One log file a service."""
        return self.root / "log"

    @property
    def drop(self) -> dict[str, Any]:
        """Arguments for `subprocess.Popen` that make a server run unprivileged; empty when we are not root."""
        if self.account is None:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}

    def folder_for(self, server: str) -> Path:
        """Make the server's own folder, readable by its account only."""
        folder = self.root / server
        folder.mkdir(mode=0o700, exist_ok=True)
        self.give(folder)
        return folder

    def give(self, path: Path) -> None:
        """Make the servers' account the owner of `path`; does nothing when we are not root."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def write_private(self, path: Path, text: str, *, for_server: bool = False) -> None:
        """Replace `path` in one step with a file only its owner can read."""
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        if for_server:
            self.give(draft)
        draft.replace(path)


def default_root() -> Path:
    """Say where the data folder is when nobody chose one: root's cannot be below /root, which servers cannot enter."""
    if os.geteuid() == 0:
        return Path("/var/lib/segloop")
    return Path.home() / ".local/share/segloop"


def open_home(root: Path, run_as: str = "nobody") -> Home:
    """Make the data folder and its fixed subfolders where missing; a repeat changes nothing.

    Raises:
        InvalidInput: the path is too long, or the servers' account does not exist or cannot reach the folder.
    """
    root = root.expanduser().absolute()
    if len(str(root)) > LONGEST_HOME:
        raise InvalidInput(
            "home_too_long",
            f"{root} is longer than {LONGEST_HOME} characters. Set SEGLOOP_HOME to a shorter path.",
        )
    account = _account(run_as) if os.geteuid() == 0 else None
    root.mkdir(parents=True, exist_ok=True)
    # Servers must pass through the folder to reach their own; they need not list it.
    root.chmod(0o711 if account else 0o700)
    home = Home(root, account)
    for folder in (home.run, home.log):
        folder.mkdir(mode=0o700, exist_ok=True)
    if account:
        for parent in root.parents:
            if not parent.stat().st_mode & 0o001:
                raise InvalidInput(
                    "home_not_reachable",
                    f"The servers run as '{account.name}', which cannot enter {parent}. Set SEGLOOP_HOME to a folder"
                    " outside it, such as /var/lib/segloop.",
                )
    return home


def _account(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise InvalidInput(
            "no_such_account",
            f"There is no account '{name}'. Set SEGLOOP_RUN_AS to one that exists.",
        ) from None
    if entry.pw_uid == 0:
        raise InvalidInput(
            "no_such_account",
            "Postgres refuses to run as root. Set SEGLOOP_RUN_AS to another account.",
        )
    return Account(name, entry.pw_uid, entry.pw_gid)
