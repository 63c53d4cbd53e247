"""Warm models: loaded once, and the longest unused leaves first."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segloop.errors import InvalidInput
from segloop.nnunet.bundle import import_model
from segloop.nnunet.predict import Predictor
from segloop.nnunet.tiny import write_tiny_model
from services.worker_gpu.model_cache import ModelCache


class _Loader:
    """Loads real predictors and notes for which version."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self.loaded: list[str] = []

    def of(self, version: str) -> Callable[[], Predictor]:
        def load() -> Predictor:
            self.loaded.append(version)
            return Predictor.load(self._bundle, device="cpu")

        return load


@pytest.fixture
def loader(tmp_path: Path) -> _Loader:
    import_model(write_tiny_model(tmp_path / "model", labels=2, patch=(8, 8, 8)), tmp_path / "bundle")
    return _Loader(tmp_path / "bundle")


def test_a_second_job_with_the_same_model_loads_nothing(loader: _Loader) -> None:
    cache = ModelCache(max_bytes=2**30)
    assert cache.get("a", loader.of("a")) is cache.get("a", loader.of("a"))
    assert loader.loaded == ["a"]


def test_the_longest_unused_model_leaves_when_memory_is_short(loader: _Loader) -> None:
    size = loader.of("size")().memory_bytes
    loader.loaded.clear()
    cache = ModelCache(max_bytes=2 * size)
    for version in ("a", "b", "a", "c", "a", "b"):
        cache.get(version, loader.of(version))
    assert loader.loaded == ["a", "b", "c", "b"]


def test_as_many_leave_as_must_the_oldest_first(loader: _Loader, tmp_path: Path) -> None:
    small = loader.of("size")().memory_bytes
    large = write_tiny_model(tmp_path / "large", weights="random", labels=200, patch=(8, 8, 8))
    import_model(large, tmp_path / "large-bundle")
    big = _Loader(tmp_path / "large-bundle")
    size = big.of("size")().memory_bytes
    assert small < size < 2 * small
    loader.loaded.clear()
    cache = ModelCache(max_bytes=3 * small)
    for version in ("a", "b", "c"):
        cache.get(version, loader.of(version))
    cache.get("big", big.of("big"))
    for version in ("c", "b"):
        cache.get(version, loader.of(version))
    assert loader.loaded == ["a", "b", "c", "b"], "a and b had to leave for the big one, c could stay"


def test_a_model_larger_than_the_limit_is_still_served(loader: _Loader) -> None:
    cache = ModelCache(max_bytes=1)
    cache.get("a", loader.of("a"))
    assert cache.get("b", loader.of("b")) is cache.get("b", loader.of("b"))
    assert loader.loaded == ["a", "b"]


def test_two_who_ask_at_once_wait_for_one_load(loader: _Loader) -> None:
    cache = ModelCache(max_bytes=2**30)
    loading = threading.Event()

    def slowly() -> Predictor:
        loading.set()
        time.sleep(0.2)
        return loader.of("a")()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", slowly)
        loading.wait()
        second = pool.submit(cache.get, "a", slowly)
        assert first.result() is second.result()
    assert loader.loaded == ["a"]


def test_a_load_that_fails_leaves_room_for_the_next(loader: _Loader) -> None:
    cache = ModelCache(max_bytes=2**30)

    def broken() -> Predictor:
        raise InvalidInput("model_damaged", "The stored model was changed.")

    with pytest.raises(InvalidInput):
        cache.get("a", broken)
    cache.get("a", loader.of("a"))
    assert loader.loaded == ["a"]
