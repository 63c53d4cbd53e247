"""Model versions kept warm in memory, least recently used out first."""

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable

from segloop.nnunet.predict import Predictor


class ModelCache:
    """Predictors by model version id, within `max_bytes` of weights; the newest one always stays."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Predictor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, model_version_id: str, load: Callable[[], Predictor]) -> Predictor:
        """Return a version's predictor, loaded at first use; others leave when memory is short.

        Thread-safe: whoever asks for a version while it loads waits for it, so that it is loaded once.
        """
        with self._lock:
            if model_version_id not in self._kept:
                self._kept[model_version_id] = load()
            self._kept.move_to_end(model_version_id)
            n_before = len(self._kept)
            while len(self._kept) > 1 and self._used_bytes() > self._max_bytes:
                self._kept.popitem(last=False)
            if len(self._kept) < n_before:
                gc.collect()  # traced networks hold on to themselves, and Python would free them at some later time
            return self._kept[model_version_id]

    def _used_bytes(self) -> int:
        return sum(predictor.memory_bytes for predictor in self._kept.values())
