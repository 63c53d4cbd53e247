"""Make the bill of materials: Python packages of requirements.lock with their hashes, and what the viewer's bundle holds."""

import base64
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segloop import __version__
from segloop.errors import InvalidInput
from segloop.stack.sbom.licences import of_installed, refused

BUNDLED = "@niivue/niivue"
"""The npm package that is shipped in the viewer's bundle, with all it needs; the others only build it."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_TORCH = re.compile(r"^TORCH=torch==(\S+)$", re.MULTILINE)


def make(root: Path) -> dict[str, Any]:
    """Return the bill as CycloneDX 1.6; licences of Python packages come from those installed here.

    Raises:
        InvalidInput: `licence_refused`, naming each package that is shipped and may not be.
    """
    components = [*_python(root), *_npm(root / "ui/viewer/package-lock.json")]
    bad = [
        f"{one['name']} ({why})"
        for one in components
        if one["scope"] == "required" and (why := refused(one["name"], _expression(one))) is not None
    ]
    if bad:
        raise InvalidInput(
            "licence_refused", f"Not to be shipped: {', '.join(bad)}. See src/segloop/stack/sbom/licences.py."
        )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "bom-ref": "segloop",
                "name": "segloop",
                "version": __version__,
            },
        },
        "components": components,
    }


def write(root: Path, target: Path) -> int:
    """Write the bill and return how many components it has."""
    bill = make(root)
    target.write_text(json.dumps(bill, indent=1))
    return len(bill["components"])


def _component(purl: str, name: str, version: str, expression: str | None, **more: Any) -> dict[str, Any]:
    licences = [{"expression": expression}] if expression else []
    return {
        "type": "library",
        "bom-ref": purl,
        "purl": purl,
        "name": name,
        "version": version,
        "scope": "required",
        "licenses": licences,
    } | more


def _expression(component: dict[str, Any]) -> str | None:
    return next((one["expression"] for one in component["licenses"]), None)


def _python(root: Path) -> Iterator[dict[str, Any]]:
    found: list[tuple[str, str, list[str]]] = []
    for line in (root / "requirements.lock").read_text().splitlines():
        if pin := _PIN.match(line):
            found.append((pin[1].lower(), pin[2], []))
        elif found:
            found[-1][2].extend(_HASH.findall(line))
    # Installed on its own by the front door, so it is not in the lock; its CUDA libraries are NVIDIA's, under their licence.
    if torch := _TORCH.search((root / "segloop").read_text()):
        found.append(("torch", torch[1], []))
    for name, version, hashes in found:
        listed = [{"alg": "SHA-256", "content": digest} for digest in hashes]
        # One hash a file of the release: which one was installed depends on the machine.
        files = [
            {"type": "distribution", "url": f"https://pypi.org/project/{name}/{version}/", "hashes": listed}
        ]
        yield _component(
            f"pkg:pypi/{name}@{version}",
            name,
            version,
            of_installed(name),
            externalReferences=files if hashes else [],
        )


def _npm(lock: Path) -> Iterator[dict[str, Any]]:
    packages: dict[str, Any] = json.loads(lock.read_text())["packages"]
    shipped, waiting = set(), [BUNDLED]
    while waiting:
        name = waiting.pop()
        if name not in shipped and f"node_modules/{name}" in packages:
            shipped.add(name)
            waiting += packages[f"node_modules/{name}"].get("dependencies", {})
    for path, package in packages.items():
        if not path:
            continue
        name = path.rpartition("node_modules/")[2]
        algorithm, _, digest = package.get("integrity", "").partition("-")
        hashes = (
            [{"alg": "SHA-512", "content": base64.b64decode(digest).hex()}] if algorithm == "sha512" else []
        )
        yield _component(
            f"pkg:npm/{name.replace('@', '%40', 1)}@{package['version']}",
            name,
            package["version"],
            package.get("license"),
            scope="required" if name in shipped else "excluded",
            hashes=hashes,
        )
