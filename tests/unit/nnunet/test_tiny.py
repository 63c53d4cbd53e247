"""The tiny model answers what its formula says, so that other tests may rely on it."""

from pathlib import Path

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from segloop.nnunet.tiny import expected_labels, write_tiny_model


def _load(folder: Path) -> torch.nn.Module:
    checkpoint = torch.load(folder / "fold_0" / "checkpoint_final.pth", weights_only=True)
    architecture = checkpoint["init_args"]["plans"]["configurations"]["3d_fullres"]["architecture"]
    network = get_network_from_plans(
        architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"],
        1, len(checkpoint["init_args"]["dataset_json"]["labels"]), allow_init=False, deep_supervision=False,
    )  # fmt: skip
    network.load_state_dict(checkpoint["network_weights"], strict=True)
    return network.eval()


def test_threshold_model_gives_the_class_with_the_nearest_hu(tmp_path: Path) -> None:
    network = _load(write_tiny_model(tmp_path, labels=7))
    volume = np.random.default_rng(0).integers(-1024, 2000, (16, 24, 32)).astype(np.float32)
    with torch.inference_mode():
        logits = network(torch.from_numpy(volume / 1000)[None, None])
    assert np.mean(logits[0].argmax(0).numpy() == expected_labels(volume, 7)) > 0.999
    assert set(np.unique(expected_labels(volume, 7))) == set(range(8))


def test_random_model_depends_on_direction_and_on_its_seed_only(tmp_path: Path) -> None:
    first = _load(write_tiny_model(tmp_path / "a", seed=3, weights="random"))
    again = _load(write_tiny_model(tmp_path / "b", seed=3, weights="random"))
    volume = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(first(volume), again(volume))
        assert not torch.allclose(first(volume.flip(-1)).flip(-1), first(volume), atol=1e-3)
