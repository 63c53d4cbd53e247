"""The loss is nnU-Net's where labels are certain, and blind to how the unreviewed classes share what is left."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

from segloop.nnunet.marginal_loss import MarginalDiceCE
from segloop.training.label_sets import LabelSets

N = 4
PLAIN = LabelSets(N)
TABLE = PLAIN.extended([{0, 2, 3}, {0, 3}])  # labels 1, and 1 and 2, were reviewed
OTHERS = TABLE.code({0, 2, 3})


def logits(seed: int = 0, *, scale: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(2, N, 6, 5, 4, generator=generator) * scale).requires_grad_()


def codes(below: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, below, (2, 1, 6, 5, 4), generator=generator).to(torch.int16)


def nnunet(*, batch_dice: bool) -> DC_and_CE_loss:
    dice = {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False}
    return DC_and_CE_loss(dice, {}, ignore_label=PLAIN.ignore, dice_class=MemoryEfficientSoftDiceLoss)


@pytest.mark.parametrize("batch_dice", [True, False])
@pytest.mark.parametrize("below", [N, N + 1], ids=["dense", "with ignore"])
@pytest.mark.parametrize("table", [PLAIN, TABLE], ids=["no sets", "sets unused"])
def test_it_is_nnunets_loss_where_every_voxel_has_one_label_or_is_ignored(
    table: LabelSets, below: int, batch_dice: bool
) -> None:
    ours, theirs, target = logits(), logits(), codes(below)
    loss = MarginalDiceCE(table, batch_dice=batch_dice)(ours, target)
    expected = nnunet(batch_dice=batch_dice)(theirs, target)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-8)


def test_a_set_of_one_class_merged_from_two_is_the_loss_of_the_merged_class() -> None:
    """Cross-entropy of {0, 3} is that of one class whose probability is their sum, by another way of computing it."""
    x, target = logits(), codes(N)
    partial = torch.where((target == 0) | (target == 3), TABLE.code({0, 3}), target)
    merged = torch.stack([torch.logsumexp(x[:, [0, 3]], 1), x[:, 1], x[:, 2]], 1)
    want = torch.nn.functional.cross_entropy(merged, torch.where(target == 3, 0, target)[:, 0].long())
    got = MarginalDiceCE(TABLE, batch_dice=True)._cross_entropy(x, partial[:, 0].long())
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_how_the_possible_classes_share_their_probability_changes_nothing(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p = torch.softmax(logits(seed).detach(), 1)
    target = torch.full((2, 1, 6, 5, 4), OTHERS)
    target[0] = codes(N, seed)[0].long()  # and certain voxels beside them
    share = torch.softmax(torch.randn(p.shape, generator=generator)[:, [0, 2, 3]], 1)
    moved = p.clone()
    moved[1, [0, 2, 3]] = p[1, [0, 2, 3]].sum(0) * share[1]
    loss = MarginalDiceCE(TABLE, batch_dice=True)
    torch.testing.assert_close(loss(p.log(), target), loss(moved.log(), target), rtol=1e-5, atol=1e-5)


def test_erasing_a_false_positive_lowers_that_label_there_and_leaves_the_odds_of_unreviewed_ones() -> None:
    start = torch.tensor([0.5, 3.0, 1.0, -1.0])  # label 1 is wrongly predicted; 2 and 3 were not reviewed
    x = start[None, :, None, None, None].expand(1, N, 4, 4, 4).clone().requires_grad_()
    loss = MarginalDiceCE(TABLE, batch_dice=True)(x, torch.full((1, 1, 4, 4, 4), OTHERS))
    loss.backward()
    assert x.grad is not None
    gradient = x.grad[0].mean((1, 2, 3))
    assert gradient[1] > 0  # descent lowers its logit
    assert (gradient[[0, 2, 3]] < 0).all()
    # Moving probability between unreviewed classes at a constant sum costs and gains nothing, to first order.
    p = torch.softmax(start, 0)
    exchange = torch.zeros(N)
    exchange[2], exchange[3] = 1 / p[2], -1 / p[3]
    assert abs(float(gradient @ exchange)) < 1e-8
    before, after = torch.softmax(x, 1)[0, :, 0, 0, 0], torch.softmax(x - 500 * x.grad, 1)[0, :, 0, 0, 0]
    assert after[1] < 0.5 * before[1]


def test_the_same_erasure_as_background_would_have_taught_against_unreviewed_labels() -> None:
    x = torch.tensor([0.5, 3.0, 1.0, -1.0])[None, :, None, None, None].expand(1, N, 4, 4, 4)
    for code, falls in ((0, True), (OTHERS, False)):
        leaf = x.clone().requires_grad_()
        MarginalDiceCE(TABLE, batch_dice=True)(leaf, torch.full((1, 1, 4, 4, 4), code)).backward()
        assert leaf.grad is not None
        assert bool(leaf.grad[0, 2].mean() > 0) is falls


def test_ignored_voxels_teach_nothing_and_a_patch_of_them_is_finite() -> None:
    x, target = logits(), codes(TABLE.n_codes)
    target[1] = TABLE.ignore
    loss = MarginalDiceCE(TABLE, batch_dice=True)
    loss(x, target).backward()
    assert x.grad is not None and x.grad[0].abs().sum() > 0 and not x.grad[1].any()
    assert not x.grad[0][:, target[0, 0] == TABLE.ignore].any()
    alone = logits()
    nothing = loss(alone, torch.full_like(target, TABLE.ignore))
    nothing.backward()
    assert torch.isfinite(nothing) and alone.grad is not None and not alone.grad.any()


def test_extreme_logits_stay_finite() -> None:
    x = logits(scale=200.0)
    loss = MarginalDiceCE(TABLE, batch_dice=False)(x, codes(TABLE.n_codes))
    loss.backward()
    assert torch.isfinite(loss) and x.grad is not None and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("spacing", [(3.0, 1.5, 1.5), (5.0, 1.0, 1.0)], ids=["together", "slices apart"])
def test_codes_survive_nnunets_resampling_of_labels(order: int, spacing: tuple[float, float, float]) -> None:
    seg = np.random.default_rng(0).integers(0, TABLE.n_codes, (1, 8, 12, 10)).repeat(2, 2)
    for new in ((11, 17, 23), (5, 40, 13)):
        done = resample_data_or_seg_to_shape(seg, new, spacing, (2.0, 2.0, 2.0), is_seg=True, order=order)
        assert done.shape[1:] == new and set(np.unique(done)) <= set(range(TABLE.n_codes))
    constant = np.full((1, 8, 24, 10), OTHERS)
    assert (
        resample_data_or_seg_to_shape(constant, new, spacing, (2, 2, 2), is_seg=True, order=order) == OTHERS
    ).all()


def test_codes_survive_nnunets_torch_resampling() -> None:
    seg = np.random.default_rng(0).integers(0, TABLE.n_codes, (1, 8, 12, 10))
    done = resample_torch_fornnunet(seg, (11, 17, 23), (3, 1.5, 1.5), (2, 2, 2), is_seg=True, num_threads=1)
    assert set(np.unique(done)) <= set(range(TABLE.n_codes))
