"""The processes that train one run together (ranks): what they must agree on. With one process nothing is exchanged."""

import torch
from torch import Tensor, distributed


def n_ranks() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if _are_several() else 1


def any_rank(flag: bool, device: torch.device) -> bool:
    """Return whether the flag is up on any rank; all of them get the same answer at the same step."""
    if not _are_several():
        return flag
    flags = torch.tensor([int(flag)], device=device)
    distributed.all_reduce(flags, op=distributed.ReduceOp.MAX)
    return bool(flags.item())


def mean_over_ranks(value: float, device: torch.device) -> float:
    """Return the mean of the ranks' values."""
    if not _are_several():
        return value
    return float(
        total_over_ranks(torch.tensor([value], dtype=torch.float64, device=device)).item() / n_ranks()
    )


def total_over_ranks(values: Tensor) -> Tensor:
    """Return the sum of the ranks' tensors, of which no gradient is taken."""
    if _are_several():
        values = values.detach().clone()
        distributed.all_reduce(values)
    return values


def _are_several() -> bool:
    return bool(distributed.is_available() and distributed.is_initialized())
