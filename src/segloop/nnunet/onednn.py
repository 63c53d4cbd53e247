"""Convolutions by oneDNN where PyTorch would not use it: for small arrays it takes a slow path of its own on a CPU.

The arithmetic is the same, summed in another order, as PyTorch itself does from a certain size on.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = {torch.conv2d, torch.conv3d}


class OneDnn(TorchFunctionMode):
    """While this is entered, convolutions in single precision on the CPU go to oneDNN; not for training."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Redirect a convolution as `torch.nn.functional` calls it: everything in its place, nothing by name."""
        if func in _CONVOLUTIONS and len(args) == 7 and not kwargs:
            image, weight, bias, stride, padding, dilation, groups = args
            if image.device.type == "cpu" and image.dtype == torch.float32 and not isinstance(padding, str):
                return torch.mkldnn_convolution(image, weight, bias, padding, stride, dilation, groups)
        return func(*args, **(kwargs or {}))
