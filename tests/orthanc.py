"""A real PACS for tests: Orthanc on loopback, with ports and a folder of its own."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PLUGINS = Path("/usr/share/orthanc/plugins")
AET = "ORTHANC"
NEEDED = ("Orthanc", "storescu", "echoscu", "dciodvfy")


def missing() -> list[str]:
    """Return which of the third-party programs are not installed."""
    found = [name for name in NEEDED if shutil.which(name) is None]
    return found if (PLUGINS / "libOrthancDicomWeb.so").exists() else [*found, "orthanc-dicomweb"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Orthanc:
    """Where it listens; `callers` are the AE titles that may speak to it, `ports` where it reaches them."""

    folder: Path
    http_port: int
    dicom_port: int
    callers: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.http_port}", timeout=60)

    def instances(self) -> list[dict[str, Any]]:
        """Return what is stored, with the tags that matter here."""
        with self.http as http:
            return [
                http.get(f"/instances/{name}/simplified-tags").json()
                for name in http.get("/instances").json()
            ]

    def file(self, sop_instance_uid: str) -> bytes:
        """Return a stored instance's bytes."""
        with self.http as http:
            (name,) = http.post("/tools/lookup", content=sop_instance_uid).json()
            return http.get(f"/instances/{name['ID']}/file").content

    def configure(self) -> None:
        """Write the configuration."""
        modalities = {
            name.lower(): {"AET": name, "Host": "127.0.0.1", "Port": self.ports.get(name, 1)}
            for name in self.callers
        }
        plugins = ["libOrthancDicomWeb.so", "libOrthancGdcm.so"]
        config = {
            "Name": "PACS",
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "Plugins": [str(PLUGINS / name) for name in plugins if (PLUGINS / name).exists()],
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": AET,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowStore": False,
            "DicomAlwaysAllowFind": False,
            "DicomModalities": modalities,
            "OverwriteInstances": False,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (self.folder / "orthanc.json").write_text(json.dumps(config))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the block ends."""
        self.configure()
        with (self.folder / "log").open("a") as output:
            process = subprocess.Popen(
                ["Orthanc", str(self.folder / "orthanc.json")], cwd=self.folder, stdout=output, stderr=output
            )
        try:
            limit = time.monotonic() + 30
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{self.http_port}/system", timeout=5)
                    break
                except httpx.TransportError:
                    assert process.poll() is None and time.monotonic() < limit, (
                        self.folder / "log"
                    ).read_text()
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


def new(folder: Path, *callers: str) -> Orthanc:
    """Return an Orthanc that is not yet running."""
    folder.mkdir()
    return Orthanc(folder, free_port(), free_port(), callers)
