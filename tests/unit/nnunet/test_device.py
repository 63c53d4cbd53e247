"""A GPU that is full: main memory is tried, and what fits nowhere is said."""

import pytest
import torch

from segloop.errors import InvalidInput
from segloop.nnunet.device import on_first_with_room

GPU = torch.device("cuda")


def test_what_finds_no_room_on_the_gpu_goes_to_main_memory(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[str] = []

    def do(place: torch.device) -> str:
        tried.append(place.type)
        if place.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "mask"

    assert on_first_with_room(GPU, do) == "mask"
    assert tried == ["cuda", "cpu"]
    assert "main memory" in caplog.text


def test_a_network_that_finds_no_room_is_an_error_that_says_what_to_do() -> None:
    def do(place: torch.device) -> str:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(InvalidInput) as refused:
        on_first_with_room(GPU, do)
    assert refused.value.code == "gpu_memory_short"
    assert "SEGLOOP_DEVICE=cpu" in refused.value.message


def test_other_errors_are_not_tried_again() -> None:
    tried: list[str] = []

    def do(place: torch.device) -> str:
        tried.append(place.type)
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError):
        on_first_with_room(GPU, do)
    assert tried == ["cuda"]
