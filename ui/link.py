"""`python -m ui.link`: print the part of a sign-in link that follows the UI's address; it opens once."""

import json
import secrets
from pathlib import Path

from segloop.settings import Settings


def add_key(path: Path) -> str:
    """Put a fresh one-time key on the list in `path`, keeping the latest twenty, and return it."""
    keys: list[str] = json.loads(path.read_text()) if path.exists() else []
    key = secrets.token_urlsafe(24)
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps([*keys[-19:], key]))
    draft.replace(path)
    return key


if __name__ == "__main__":
    print(f"/?key={add_key(Path(Settings.from_env().ui_link_file))}")  # noqa: T201
