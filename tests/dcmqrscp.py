"""DCMTK's archive on loopback: an older PACS, which knows Segmentations, RT Structure Sets and PDFs and no label maps."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.orthanc import free_port

AET = "DCMTK"


@contextmanager
def running(folder: Path, caller: str) -> Iterator[int]:
    """Run it for one calling AE title until the block ends, and give its port; what it gets lies in `folder`/store."""
    port = free_port()
    (folder / "store").mkdir(parents=True)
    (folder / "config").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 4\n"
        f"HostTable BEGIN\nus = ({caller}, localhost, 1)\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{AET} {folder / 'store'} RW (99, 99mb) ANY\nAETable END\n"
    )
    process = subprocess.Popen(["dcmqrscp", "-c", str(folder / "config")], stderr=subprocess.DEVNULL)
    echo = ["echoscu", "-aet", caller, "-aec", AET, "127.0.0.1", str(port)]
    try:
        end = time.monotonic() + 60
        while subprocess.run(echo, check=False, capture_output=True).returncode:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(30)
