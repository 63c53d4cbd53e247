"""The cache of preprocessed cases: what is whole is linked, what is not is made again, and it stays within its size."""

import os
from pathlib import Path

from services.trainer.case_cache import ENDINGS, CaseCache


def made(folder: Path, case_id: str, content: str = "x" * 100) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for ending in ENDINGS:
        (folder / f"{case_id}{ending}").write_text(content)
    return folder


def test_a_kept_case_is_linked_into_another_run_under_its_name_there(tmp_path: Path) -> None:
    cache = CaseCache(tmp_path / "cache", 10_000)
    cache.keep("key", "a", made(tmp_path / "first", "a"))
    assert cache.take("key", "b", tmp_path / "second")
    for ending in ENDINGS:
        first, second = tmp_path / f"first/a{ending}", tmp_path / f"second/b{ending}"
        assert first.stat().st_ino == second.stat().st_ino


def test_another_key_is_another_case(tmp_path: Path) -> None:
    cache = CaseCache(tmp_path / "cache", 10_000)
    cache.keep("key", "a", made(tmp_path / "first", "a"))
    assert not cache.take("other", "a", tmp_path / "second")


def test_a_case_whose_keeping_was_cut_off_is_not_taken(tmp_path: Path) -> None:
    cache = CaseCache(tmp_path / "cache", 10_000)
    cache.keep("key", "a", made(tmp_path / "first", "a"))
    (tmp_path / "cache/key" / ENDINGS[-1]).unlink()
    assert not cache.take("key", "a", tmp_path / "second")


def test_a_case_with_an_empty_file_is_not_taken(tmp_path: Path) -> None:
    cache = CaseCache(tmp_path / "cache", 10_000)
    cache.keep("key", "a", made(tmp_path / "first", "a"))
    (tmp_path / "cache/key" / ENDINGS[0]).write_text("")
    assert not cache.take("key", "a", tmp_path / "second")


def test_a_case_that_is_there_already_is_replaced(tmp_path: Path) -> None:
    cache = CaseCache(tmp_path / "cache", 10_000)
    cache.keep("key", "a", made(tmp_path / "first", "a", "new"))
    made(tmp_path / "second", "a", "old")
    assert cache.take("key", "a", tmp_path / "second")
    assert (tmp_path / f"second/a{ENDINGS[0]}").read_text() == "new"


def test_those_used_longest_ago_make_room_and_the_newest_stays(tmp_path: Path) -> None:
    cache = CaseCache(tmp_path / "cache", 700)
    for age, key in enumerate(("c", "b", "a")):
        cache.keep(key, "case", made(tmp_path / key, "case"))
        os.utime(tmp_path / "cache" / key, (100 - age, 100 - age))
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["a", "c"]
    CaseCache(tmp_path / "cache", 1).keep("d", "case", made(tmp_path / "d", "case"))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["d"]
