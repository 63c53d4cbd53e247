"""Which device this process computes on, and what to do when it is full."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from segloop.errors import InvalidInput, Unavailable

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def choose(device: str) -> str:
    """Return "cpu" or "cuda" for "auto", and what was asked for otherwise.

    Raises:
        Unavailable: `device_unavailable` when a GPU is asked for and there is none.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise Unavailable(
            "device_unavailable",
            "This worker was told to use a GPU and finds none.",
        )
    return device


def on_first_with_room(device: torch.device, do: Callable[[torch.device], Answer]) -> Answer:
    """Return what `do` answers with a volume's arrays on the device or, when that is full, in main memory.

    The answer is the same; the log says when it took the slower way.

    Raises:
        InvalidInput: `gpu_memory_short` when not even the network itself finds room on the GPU.
    """
    try:
        return do(device)
    except torch.OutOfMemoryError:
        # Tried again below: in here the error would still hold what the first try had taken.
        log.warning("the GPU is full; this volume's arrays go to main memory")
    if device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        return do(torch.device("cpu"))
    except torch.OutOfMemoryError as error:
        raise no_room_on_gpu() from error


def no_room_on_gpu() -> InvalidInput:
    """Return the error that says what to do where not even the network and one patch have room."""
    return InvalidInput(
        "gpu_memory_short",
        "The GPU has not enough free memory for one patch of this model. Free it of other work, or let the worker "
        "compute on the CPU (SEGLOOP_DEVICE=cpu).",
    )


def gpu_peak_bytes() -> int:
    """Return the most GPU memory that this process's arrays have taken since the last call; 0 without a GPU."""
    if not torch.cuda.is_available():
        return 0
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return peak


@contextmanager
def threads_kept() -> Iterator[None]:
    """Restore torch's number of threads, which functions of nnU-Net change and, when they fail, leave changed."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
