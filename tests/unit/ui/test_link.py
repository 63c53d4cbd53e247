"""A key from `python -m ui.link` signs in once."""

from pathlib import Path

from ui.link import add_key
from ui.sign_in import use_link


def test_a_key_opens_once_and_leaves_others_alone(tmp_path: Path) -> None:
    links = tmp_path / "links.json"
    first, second = add_key(links), add_key(links)
    assert links.stat().st_mode & 0o777 == 0o600
    assert use_link(links, first)
    assert not use_link(links, first)
    assert use_link(links, second)
