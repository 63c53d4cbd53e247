"""Warm models: loaded once, and the longest unused leaves first."""

from collections.abc import Callable
from pathlib import Path

import pytest

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


def test_a_model_larger_than_the_limit_is_still_served(loader: _Loader) -> None:
    cache = ModelCache(max_bytes=1)
    cache.get("a", loader.of("a"))
    assert cache.get("b", loader.of("b")) is cache.get("b", loader.of("b"))
    assert loader.loaded == ["a", "b"]
