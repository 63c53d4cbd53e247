"""`python -m services.storage_keys FOLDER`: certificates for the object store's gRPC ports; a repeat keeps them."""

import sys
from pathlib import Path

from segloop.stack import certificates
from segloop.stack.home import Home


def main(folder: Path) -> None:
    """Write ca.crt, node.crt and node.key where missing, readable by this process's user only."""
    certificates.ensure(Home(folder, None), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
