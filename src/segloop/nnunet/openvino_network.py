"""A network compiled by OpenVINO for the CPU: the same arithmetic in float32 in another order, in less time."""

from collections.abc import Sequence
from copy import deepcopy

import openvino
import torch
from torch import nn

from segloop.nnunet.window import Network


@torch.no_grad()  # type: ignore[untyped-decorator]
def compile_network(
    network: nn.Module, patch_size: Sequence[int], strides: Sequence[Sequence[int]], threads: int
) -> Network:
    """Return the network with the weights that it has now, for one channel and patches of just this size.

    `strides` are those of the network's stages; a patch of twice their product is what it is traced with, because the
    real one would take as long as a prediction. Nothing is written to disk or sent anywhere.
    """
    smallest = [2] * len(patch_size)
    for stage in strides:
        smallest = [n * stride for n, stride in zip(smallest, stage, strict=True)]
    # A copy: OpenVINO reads the weights where they lie, and those of a network with several folds are replaced.
    own = deepcopy(network)
    traced = torch.jit.trace(own, torch.zeros(1, 1, *smallest), check_trace=False)
    model = openvino.convert_model(traced, input=[1, 1, *patch_size])
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def run(patch: torch.Tensor, _weights: nn.Module = own) -> torch.Tensor:
        outputs = request.infer([patch.numpy()], share_inputs=True, share_outputs=True)[0]
        # A copy, because the next patch's outputs go to the same memory.
        return torch.from_numpy(outputs.copy())

    return run
