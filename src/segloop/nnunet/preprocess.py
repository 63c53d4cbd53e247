"""A volume as the network wants it: nnU-Net's crop, normalisation and resampling, without what inference throws away."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from segloop.nnunet.resample import Shape, Way, find_way, resample


@dataclass(frozen=True)
class Placement:
    """Where one prediction lies: its grids in the plans' axis order.

    `full` is the volume's own; `box` is what was left of it when zeros around it were cropped, as (first, stop) by axis; spacings
    are in mm, the network's with the slices' own distance for a 2D model.
    """

    full: Shape
    box: tuple[tuple[int, int], ...]
    spacing_mm: list[float]
    network_spacing_mm: list[float]

    @property
    def cropped(self) -> Shape:
        """The shape of the box."""
        return tuple(stop - first for first, stop in self.box)

    @property
    def properties(self) -> dict[str, Any]:
        """The same in nnU-Net's words, without its `spacing`."""
        return {
            "shape_before_cropping": self.full,
            "bbox_used_for_cropping": [list(pair) for pair in self.box],
            "shape_after_cropping_and_before_resampling": self.cropped,
        }


def prepare(
    image: NDArray[Any],
    spacing_mm: tuple[float, ...],
    plans: PlansManager,
    configuration: ConfigurationManager,
    device: torch.device,
) -> tuple[torch.Tensor, Placement]:
    """Return (the network's input as float32 (1, three axes), its placement) of an image (z, y, x), on a device.

    Where the plans ask for another resampling than splines, or normalise inside a mask, nnU-Net's own code does it all.
    """
    forward = plans.transpose_forward
    image, spacing = image.transpose(forward), [float(spacing_mm[axis]) for axis in forward]
    target = [*spacing[: 3 - len(configuration.spacing)], *map(float, configuration.spacing)]
    placement = Placement(image.shape, content_box(image), spacing, target)
    settings = configuration.configuration
    way = find_way(settings["resampling_fn_data"], settings["resampling_fn_data_kwargs"], spacing, target)
    if way is None or any(configuration.use_mask_for_norm):
        return _by_nnunet(image, spacing_mm, plans, configuration).to(device), placement
    inside = tuple(slice(first, stop) for first, stop in placement.box)
    data = np.ascontiguousarray(image[inside], dtype=np.float32)
    if data is image or np.shares_memory(data, image):  # normalised in place: never the caller's
        data = data.copy()
    nothing = np.broadcast_to(np.int8(0), (1, *data.shape))
    data = DefaultPreprocessor(verbose=False)._normalize(
        data[None], nothing, configuration, plans.foreground_intensity_properties_per_channel
    )[0]
    shape = tuple(int(n) for n in compute_new_shape(data.shape, spacing, target))
    return resample(torch.from_numpy(data).to(device), shape, way)[None], placement


def way_back(configuration: ConfigurationManager, placement: Placement) -> Way | None:
    """Return how the network's outputs get back to the box, or None where only nnU-Net's own code does it."""
    settings = configuration.configuration
    way = find_way(
        settings["resampling_fn_probabilities"],
        settings["resampling_fn_probabilities_kwargs"],
        placement.network_spacing_mm,
        placement.spacing_mm,
    )
    return way if way is not None and way.order == 1 else None


def content_box(image: NDArray[Any]) -> tuple[tuple[int, int], ...]:
    """Return the smallest box with all that is not zero; the whole image where all is. Filling holes changes no box."""
    there = image != 0
    box = []
    for axis in range(3):
        found = np.flatnonzero(there.any(axis=tuple(other for other in range(3) if other != axis)))
        if not found.size:
            return tuple((0, n) for n in image.shape)
        box.append((int(found[0]), int(found[-1]) + 1))
    return tuple(box)


def _by_nnunet(
    image: NDArray[Any],
    spacing_mm: tuple[float, ...],
    plans: PlansManager,
    configuration: ConfigurationManager,
) -> torch.Tensor:
    untransposed = image.transpose(np.argsort(plans.transpose_forward))[None]
    data, _, _ = DefaultPreprocessor(verbose=False).run_case_npy(
        untransposed, None, {"spacing": list(spacing_mm)}, plans, configuration, {}
    )
    return torch.from_numpy(data)
