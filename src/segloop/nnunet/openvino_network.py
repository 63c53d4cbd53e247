"""A network compiled by OpenVINO for the CPU: the same arithmetic in float32 in another order, in less time."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import nn


class Compiled:
    """A network with the weights that it has now, for one channel and patches of just one size.

    Nothing is written to disk or sent anywhere.
    """

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def __init__(
        self, network: nn.Module, patch_size: Sequence[int], strides: Sequence[Sequence[int]], threads: int
    ) -> None:
        """Compile it; `strides` are those of its stages.

        A patch of twice their product is what it is traced with, because the real one would take as long as a prediction.
        """
        # Only where the profile is asked for: the library takes memory of its own.
        import openvino

        # A copy: OpenVINO reads the weights where they lie, and those of a network with several folds are replaced.
        self._weights = deepcopy(network)
        smallest = [2] * len(patch_size)
        for stage in strides:
            smallest = [n * stride for n, stride in zip(smallest, stage, strict=True)]
        traced = torch.jit.trace(self._weights, torch.zeros(1, 1, *smallest), check_trace=False)
        model = openvino.convert_model(traced, input=[1, 1, *patch_size])
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = openvino.Core().compile_model(model, "CPU", settings)
        self._request = self._compiled.create_infer_request()

    def __call__(self, patch: torch.Tensor) -> torch.Tensor:
        """Return the logits of a patch (1, 1, *patch), which is in main memory."""
        outputs = self._request.infer([patch.numpy()], share_inputs=True, share_outputs=True)[0]
        # A copy, because the next patch's outputs go to the same memory.
        return torch.from_numpy(outputs.copy())

    def release_memory(self) -> None:
        """Give back what it worked in, several hundred MB of a usual network; the next patch takes it anew."""
        self._compiled.release_memory()
