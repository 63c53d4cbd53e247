"""Ask the advisory database about every locked package: `python scripts/audit_dependencies.py`.

Ends with 0 when nothing is known of any of them, 1 when something is, and 3, loudly, when not all could be asked about: that is
not the same as nothing known. (pip-audit itself calls a database that knows none of the packages "no known vulnerabilities".)
The tool is installed apart from the product, into a folder of the user's cache.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIP_AUDIT = "pip-audit==2.10.1"
NOT_ASKED = 3
LIMIT_S = 600


def main() -> int:
    """Install the tool where it is missing, ask, and judge the answer."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segloop" / PIP_AUDIT
    program = folder / "bin/pip-audit"
    if not program.exists():
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, PIP_AUDIT], check=False).returncode:
            return not_asked(f"{PIP_AUDIT} can't be installed here")
    command = [str(program), "--requirement", str(ROOT / "requirements.lock"), "--no-deps", "--disable-pip"]
    command += ["--format=json", "--progress-spinner=off"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return not_asked(f"no answer within {LIMIT_S} s")
    return judge(done.stdout, done.stderr)


def judge(answer: str, said: str) -> int:
    """Print what an answer of pip-audit (JSON) means, and return how to end."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return not_asked((said.strip().splitlines() or ["pip-audit said nothing"])[-1][:300])
    vulnerable = [one for one in packages if one.get("vulns")]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    for one in vulnerable:
        for found in one["vulns"]:
            mended = ", ".join(found.get("fix_versions", [])) or "no version yet"
            print(f"{one['name']} {one['version']}: {found['id']}; mended in {mended}")
    if vulnerable:
        return 1
    if skipped or not packages:
        return not_asked(f"the database does not know {len(skipped)} of {len(packages)} packages")
    print(f"{len(packages)} packages audited, none with a known vulnerability")
    return 0


def not_asked(why: str) -> int:
    """Say that not everything was audited."""
    print(f"\n*** DEPENDENCIES NOT AUDITED: {why} ***\n", file=sys.stderr)
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main())
