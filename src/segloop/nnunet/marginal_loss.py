"""nnU-Net's Dice plus cross-entropy for voxels of which only a set of possible classes is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.utilities.helpers import softmax_helper_dim1
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from segloop.nnunet.ranks import n_ranks, total_over_ranks
from segloop.training.label_sets import LabelSets


class MarginalDiceCE(nn.Module):
    """Dice plus cross-entropy; equal to nnU-Net's `DC_and_CE_loss` where every voxel has one class or is ignored.

    A voxel with the set S of possible classes adds -log(sum of p_c over S) to the cross-entropy, the marginal loss of Shi
    et al. (Medical Image Analysis 70, 2021, 101979). In the Dice of a class c it counts as *not c* where c is not in S and
    is left out where it is. So the loss sees only the sum over S, never how it is shared out: a label-set loss function
    in the sense of Fidon et al. (MICCAI 2021, arXiv 2107.03846). Erasing a label teaches that it is not there, and
    nothing about the labels that nobody reviewed.
    """

    def __init__(self, table: LabelSets, *, batch_dice: bool, ddp: bool = False) -> None:
        """`table` says what the target's codes mean; Dice leaves the background out, as nnU-Net's does.

        With `ddp` the mean of the ranks' losses is the loss of their batches put together. In nnU-Net that holds for the
        Dice only: ranks that have few voxels that anybody vouched for would count as much as those that have many.
        """
        super().__init__()
        self.ddp = ddp
        self.ignore = table.ignore
        self.register_buffer("membership", torch.from_numpy(table.membership), persistent=False)
        dice: dict[str, Any] = {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": ddp}
        self.dc = MemoryEfficientSoftDiceLoss(apply_nonlin=softmax_helper_dim1, **dice)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits (b, c, ...) for codes (b, 1, ...) of any number type."""
        codes = target[:, 0].long()
        return self._cross_entropy(logits, codes) + self._dice(logits, codes)

    def _cross_entropy(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Mean over the voxels that anybody vouched for; 0 if there are none."""
        partial = codes > self.ignore
        certain = torch.where(partial, self.ignore, codes)
        total = functional.cross_entropy(logits, certain, ignore_index=self.ignore, reduction="sum")
        if partial.any():
            log_p = functional.log_softmax(logits.movedim(1, -1)[partial].float(), dim=1)
            total = total - log_p.masked_fill(~self._members(codes[partial]), -torch.inf).logsumexp(1).sum()
        known = (codes != self.ignore).sum()
        if self.ddp:
            known, total = total_over_ranks(known), total * n_ranks()
        return total / known.clamp_min(1)

    def _dice(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Minus the mean Dice of the foreground, each class over the voxels where it is known whether it is there."""
        with torch.no_grad():
            present, known = _presence(codes, self.get_buffer("membership"), self.ignore)
        loss: Tensor = self.dc(logits, present, loss_mask=known[:, 1:])
        return loss

    def _members(self, codes: Tensor) -> Tensor:
        table: Tensor = self.get_buffer("membership")
        return table.to(codes.device)[codes]


def hard_counts(logits: Tensor, target: Tensor, table: LabelSets) -> NDArray[np.int64]:
    """Return hits, false and missed voxels of each foreground class (3, n_classes - 1), where its presence is known."""
    codes = target[:, 0].long()
    present, known = _presence(codes, torch.from_numpy(table.membership), table.ignore)
    predicted = functional.one_hot(logits.argmax(1), table.n_classes).movedim(-1, 1) > 0
    counts = torch.stack([predicted & present, predicted & ~present & known, ~predicted & present])
    found: NDArray[np.int64] = counts.sum([1, *range(3, counts.ndim)]).cpu().numpy()[:, 1:]
    return found


def pseudo_dice(counts: Sequence[NDArray[np.int64]]) -> list[float | None]:
    """Return the Dice of each foreground class over all patches together; None where it neither was nor was found."""
    hits, extra, missed = np.sum(counts, axis=0)
    both = 2 * hits + extra + missed
    return [round(float(2 * h / n), 4) if n else None for h, n in zip(hits, both, strict=True)]


def _presence(codes: Tensor, membership: Tensor, ignore: int) -> tuple[Tensor, Tensor]:
    """Return, as (b, n_classes, ...), where each class certainly is, and where it is known whether it is."""
    members = membership.to(codes.device)[codes].movedim(-1, 1)
    single = (codes < ignore)[:, None]
    return members & single, single | ~members
