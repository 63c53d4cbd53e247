"""A real identity provider for tests: npm's oidc-provider on loopback."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT
from tests.orthanc import free_port

SOURCE = ROOT / "tests/identity_provider"
VERSION = json.loads((SOURCE / "package.json").read_text())["dependencies"]["oidc-provider"]
CLIENT_ID, CLIENT_SECRET = "segloop", "only-for-tests-0123456789"


def modules() -> Path:
    """Return where its packages lie: `SEGLOOP_TEST_OIDC_PROVIDER`, or where `.ci/run` puts them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    default = cache / f"segloop/oidc-provider-{VERSION}/node_modules"
    return Path(os.environ.get("SEGLOOP_TEST_OIDC_PROVIDER", default))


def missing() -> list[str]:
    """Return what is not here of what running it takes."""
    found = [] if (modules() / "oidc-provider").exists() else [f"oidc-provider@{VERSION} in {modules()}"]
    found += [] if shutil.which("node") else ["node"]
    return found if os.environ.get("CHROMIUM") or shutil.which("chromium") else [*found, "chromium"]


@dataclass
class NpmProvider:
    """Where it listens, and for which address of the pages it has a client."""

    folder: Path
    pages: str
    port: int = field(default_factory=free_port)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def change_keys(self) -> None:
        """Let it have other keys from its next start on."""
        (self.folder / "key.json").unlink(missing_ok=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the block ends, with nobody logged in."""
        client = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [f"{self.pages}/sign-in/callback"],
            "post_logout_redirect_uris": [f"{self.pages}/signed-out"],
        }
        (self.folder / "client.json").write_text(json.dumps(client))
        command = ["node", str(SOURCE / "server.mjs"), str(modules()), str(self.port), str(self.folder)]
        log = self.folder / "provider.log"
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            limit = time.monotonic() + 60
            while "listening as" not in log.read_text():
                assert process.poll() is None and time.monotonic() < limit, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(30)
