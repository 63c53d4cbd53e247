"""Batches for the learning loop: nnU-Net's loader and augmentation, with replay and with sides that stay apart."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from segloop.errors import InvalidInput
from segloop.nnunet.mirror import MirrorSides
from segloop.nnunet.ranks import n_ranks
from segloop.nnunet.workspace import Workspace
from segloop.training.label_sets import has_lone_side
from segloop.training.recipe import sampling_weights


def build_loaders(trainer: nnUNetTrainer, workspace: Workspace) -> tuple[Any, Any, list[int] | None]:
    """Return endless training and validation batches, and the axes over which predictions may be mirrored.

    Augmentation is nnU-Net's; which axes are mirrored is the recipe's. Averaging over mirrored predictions may not mix
    left with right, so where labels have sides that axis is none of them.
    """
    recipe, patch = workspace.recipe, trainer.configuration_manager.patch_size
    scales = trainer._get_deep_supervision_scales()
    rotation, dummy_2d, initial_patch, axes = (
        trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    )
    left_right = workspace.left_right_axis - (3 - len(patch))  # -1 where a 2D patch doesn't have it
    chosen = {"all": axes, "left_right": (left_right,), "none": ()}[recipe.mirroring]
    # A lone side, such as a left kidney without the right one, must stay on its side.
    mirror = [
        axis
        for axis in chosen
        if axis in axes and not (axis == left_right and has_lone_side(workspace.labels))
    ]
    allowed = [axis for axis in mirror if axis != left_right or not workspace.mirrored]
    masked = trainer.configuration_manager.use_mask_for_norm
    transforms = trainer.get_training_transforms(
        patch, rotation, scales, None, dummy_2d, use_mask_for_norm=masked
    )
    _repeat_exactly(transforms)
    transforms.transforms.insert(0, MirrorSides(mirror, left_right, workspace.table, workspace.mirrored))
    weights = sampling_weights(list(workspace.new), list(workspace.earlier), recipe.replay_share)
    held = list(workspace.validation) or sorted(weights)
    n = recipe.loader_processes
    train = _batches(trainer, weights, initial_patch, transforms, processes=n)
    plain = trainer.get_validation_transforms(scales)
    even = dict.fromkeys(held, 1 / len(held))
    return train, _batches(trainer, even, patch, plain, processes=min(n, 1)), allowed or None


def rank_share(batch: int, foreground: float, rank: int, ranks: int) -> tuple[int, float]:
    """Return size and foreground share of a rank's part of the batch, whose last samples are centred on labels.

    Raises:
        InvalidInput: `processes_unequal` when the parts would differ in size.
    """
    if batch % ranks:
        fitting = max(n for n in range(1, ranks) if batch % n == 0)
        raise InvalidInput(
            "processes_unequal",
            f"The plans' batch of {batch} can't be shared equally by {ranks} processes. Train with {fitting}.",
        )
    size, plain = batch // ranks, round(batch * (1 - foreground))
    return size, sum(i >= plain for i in range(rank * size, (rank + 1) * size)) / size


class _OwnShare:
    """The samples of each batch that are one rank's."""

    def __init__(self, loader: Iterator[dict[str, Any]], rank: int, ranks: int) -> None:
        self._loader, self._rank, self._ranks = loader, rank, ranks

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        batch = next(self._loader)
        size = len(batch["data"]) // self._ranks
        own = slice(self._rank * size, (self._rank + 1) * size)
        return {"data": batch["data"][own], "target": [one[own] for one in batch["target"]]}


def _repeat_exactly(transforms: Any) -> None:
    """Let no transform choose its method by a stopwatch: the two methods round differently."""
    for one in transforms.transforms:
        inner = one.transform if isinstance(one, RandomTransform) else one
        if isinstance(inner, GaussianBlurTransform):
            inner.benchmark = False


def _batches(
    trainer: nnUNetTrainer, cases: Mapping[str, float], patch: Any, transforms: Any, *, processes: int
) -> SingleThreadedAugmenter | NonDetMultiThreadedAugmenter:
    """Return endless batches of a trainer's preprocessed cases, each drawn as often as `cases` says (summing to 1).

    Without loader processes the batches depend on the global random streams alone, so they can be repeated. Of several
    ranks each draws all of the batch then and keeps its share: the streams stay alike. Loader processes draw the share only.
    """
    dataset = nnUNetDatasetBlosc2(trainer.preprocessed_dataset_folder, sorted(cases))
    size, foreground, ranks = trainer.batch_size, trainer.oversample_foreground_percent, n_ranks()
    if processes:
        size, foreground = rank_share(size, foreground, trainer.local_rank, ranks)
    loader = nnUNetDataLoader(
        dataset,
        size,
        patch,
        trainer.configuration_manager.patch_size,
        trainer.label_manager,
        oversample_foreground_percent=foreground,
        sampling_probabilities=[cases[case] for case in dataset.identifiers],
        transforms=transforms,
    )
    if processes == 0:
        if ranks > 1:
            loader = _OwnShare(loader, trainer.local_rank, ranks)
        return SingleThreadedAugmenter(loader, None)
    return NonDetMultiThreadedAugmenter(
        data_loader=loader,
        transform=None,
        num_processes=processes,
        num_cached=max(3, processes // 2),
        seeds=None,
        pin_memory=trainer.device.type == "cuda",
        wait_time=0.002,
    )
