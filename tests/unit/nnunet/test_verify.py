"""A model that can't be served rightly is refused when it is imported, with a code that says why."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry
from segloop.nnunet.bundle import import_model, read_bundle
from segloop.nnunet.predict import Predictor
from segloop.nnunet.tiny import write_tiny_model
from segloop.nnunet.verify import count_outputs, read_labels, read_regions

Body = dict[str, Any]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model", weights="random", labels=2, patch=(8, 8, 8))


def _refusal(model: Path, out: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        import_model(model, out)
    assert not out.exists(), "nothing is left of a model that was refused"
    return refused.value.code


def _write(path: Path, body: object) -> None:
    path.write_text(json.dumps(body))


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (["background", "liver"], "model_labels_invalid"),
        ("liver", "model_labels_invalid"),
        (None, "model_labels_invalid"),
        ({}, "model_label_less"),
        ({"background": 0, "ignore": 1}, "model_label_less"),
        ({"background": 0, "liver": "1", "spleen": 2}, "model_labels_invalid"),
        ({"background": 0, "liver": 1.0, "spleen": 2}, "model_labels_invalid"),
        ({"background": 0, "liver": True, "spleen": 2}, "model_labels_invalid"),
        ({"background": 0, "liver": -1, "spleen": 1}, "model_labels_invalid"),
        ({"background": 0, "liver": 1, "spleen": 3}, "model_labels_invalid"),
        ({"background": 0, "liver": 1, "spleen": 10**30}, "model_labels_invalid"),
        ({"background": 0, "liver": 1, "spleen": 1}, "model_labels_invalid"),
        ({"background": 1, "liver": 0, "spleen": 2}, "model_labels_invalid"),
        ({"air": 0, "liver": 1, "spleen": 2}, "model_labels_invalid"),
        ({"background": 0, " ": 1, "spleen": 2}, "model_labels_invalid"),
        ({"background": 0, "liver": 1, "spleen": 2, "ignore": 7}, "model_labels_invalid"),
        ({"background": 0, "whole": [1, 2], "part": 2}, "model_labels_invalid"),  # no regions_class_order
        ({"background": 0, "liver": 1}, "model_incomplete"),
        ({"background": 0} | {f"n{i}": i for i in range(1, 301)}, "model_incomplete"),
    ],
)
def test_labels_that_do_not_number_the_outputs_are_refused(
    model: Path, tmp_path: Path, labels: object, code: str
) -> None:
    dataset = json.loads((model / "dataset.json").read_text())
    _write(model / "dataset.json", dataset | {"labels": labels})
    assert _refusal(model, tmp_path / "bundle") == code


@pytest.mark.parametrize(
    ("channels", "code"),
    [
        (["CT"], "model_incomplete"),
        ({}, "model_incomplete"),
        (None, "model_incomplete"),
        ({"0": "CT", "1": "PET"}, "model_unsupported"),
    ],
)
def test_a_model_of_other_inputs_than_one_ct_is_refused(
    model: Path, tmp_path: Path, channels: object, code: str
) -> None:
    dataset = json.loads((model / "dataset.json").read_text())
    _write(model / "dataset.json", dataset | {"channel_names": channels})
    assert _refusal(model, tmp_path / "bundle") == code


@pytest.mark.parametrize("text", ["[]", "null", "7", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
def test_files_that_are_no_objects_are_refused(model: Path, tmp_path: Path, name: str, text: str) -> None:
    (model / name).write_text(text)
    assert _refusal(model, tmp_path / "bundle") == "model_incomplete"


def _settings(**values: object) -> Callable[[Body], None]:
    return lambda plans: plans["configurations"]["3d_fullres"].update(values)


def _network(**values: object) -> Callable[[Body], None]:
    return lambda plans: plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"].update(values)


def _statistics(**values: object) -> Callable[[Body], None]:
    return lambda plans: plans["foreground_intensity_properties_per_channel"]["0"].update(values)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_settings(patch_size=[0, 8, 8]), "model_plans_invalid"),
        (_settings(patch_size=[8, 8, 10**9]), "model_plans_invalid"),
        (_settings(patch_size=[8, 8, 7]), "model_plans_invalid"),
        (_settings(patch_size=[8, 8]), "model_plans_invalid"),
        (_settings(patch_size=8), "model_plans_invalid"),
        (_settings(spacing=[float("nan"), 3.0, 3.0]), "model_plans_invalid"),
        (_settings(spacing=[1e-9, 3.0, 3.0]), "model_plans_invalid"),
        (_settings(spacing=[-1.0, 3.0, 3.0]), "model_plans_invalid"),
        (_settings(spacing=["3", 3.0, 3.0]), "model_plans_invalid"),
        (_settings(spacing=[3.0, 3.0]), "model_plans_invalid"),
        (_settings(use_mask_for_norm=[]), "model_plans_invalid"),
        (_settings(use_mask_for_norm="no"), "model_plans_invalid"),
        (_settings(normalization_schemes=[]), "model_plans_invalid"),
        (_settings(resampling_fn_data_kwargs={"order": 10**9}), "model_plans_invalid"),
        (_settings(resampling_fn_data_kwargs={"device": "cuda"}), "model_plans_invalid"),
        (_settings(previous_stage="3d_lowres"), "model_unsupported"),
        (_settings(preprocessor_name="MyPreprocessor"), "model_unsafe"),
        (_network(n_stages=10**9), "model_plans_invalid"),
        (_network(features_per_stage=[10**9, 10**9]), "model_plans_invalid"),
        (_network(features_per_stage=[4, 4096]), "model_incomplete"),
        (_network(n_conv_per_stage=[1000, 1]), "model_plans_invalid"),
        (_network(strides=[[1, 1, 1], [3, 3, 3]]), "model_plans_invalid"),
        (_network(surprise=1), "model_plans_invalid"),
        (_statistics(std=0), "model_plans_invalid"),
        (_statistics(mean=float("inf")), "model_plans_invalid"),
        (_statistics(percentile_00_5=None), "model_plans_invalid"),
        (lambda plans: plans.update(transpose_forward=[0, 1, 1]), "model_plans_invalid"),
        (lambda plans: plans.update(transpose_forward=[2, 0, 1]), "model_plans_invalid"),
        (lambda plans: plans.update(configurations=[]), "model_incomplete"),
        (lambda plans: plans.pop("transpose_backward"), "model_plans_invalid"),
        (lambda plans: plans.pop("foreground_intensity_properties_per_channel"), "model_plans_invalid"),
        (lambda plans: plans["configurations"].pop("3d_fullres"), "model_incomplete"),
    ],
)
def test_plans_that_describe_no_usable_model_are_refused(
    model: Path, tmp_path: Path, change: Callable[[Body], None], code: str
) -> None:
    plans = json.loads((model / "plans.json").read_text())
    change(plans)
    _write(model / "plans.json", plans)
    assert _refusal(model, tmp_path / "bundle") == code


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: weights.popitem(),
        lambda weights: weights.update(more=torch.zeros(1)),
        lambda weights: weights["decoder.seg_layers.0.bias"].fill_(float("nan")),
        lambda weights: weights.update({"decoder.seg_layers.0.bias": 3}),
    ],
    ids=["one missing", "one too many", "not a number", "not a tensor"],
)
def test_weights_that_are_not_those_of_the_plans_are_refused(
    model: Path, tmp_path: Path, change: Callable[[Body], None]
) -> None:
    file = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(file, weights_only=True)
    change(checkpoint["network_weights"])
    torch.save(checkpoint, file)
    assert _refusal(model, tmp_path / "bundle") == "model_incomplete"


def test_a_bundle_whose_labels_were_changed_is_refused(model: Path, tmp_path: Path) -> None:
    import_model(model, tmp_path / "bundle")
    body = json.loads((tmp_path / "bundle" / "model.json").read_text())
    body["labels"][0]["name"] = "heart"
    _write(tmp_path / "bundle" / "model.json", body)
    with pytest.raises(InvalidInput) as refused:
        read_bundle(tmp_path / "bundle")
    assert refused.value.code == "model_incomplete"


def test_three_hundred_labels_are_served(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=300, patch=(8, 8, 8))
    import_model(tmp_path / "model", tmp_path / "bundle")
    volume = np.random.default_rng(5).normal(200, 600, (16, 16, 16)).astype(np.float32)
    geometry = Geometry((16, 16, 16), np.diag([3.0, 3.0, 3.0, 1.0]))
    mask = Predictor.load(tmp_path / "bundle", device="cpu").predict(volume, geometry)
    assert mask.dtype == np.uint16
    assert mask.max() > 255


def test_the_files_of_a_bundle_can_be_read_by_others(model: Path, tmp_path: Path) -> None:
    import_model(model, tmp_path / "bundle")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "bundle").iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {modes["model.json"]}


def test_a_prediction_prints_nothing(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import_model(model, tmp_path / "bundle")
    geometry = Geometry((9, 9, 9), np.diag([3.0, 3.0, 3.0, 1.0]))
    Predictor.load(tmp_path / "bundle", device="cpu").predict(np.ones(geometry.shape, np.int16), geometry)
    assert capfd.readouterr() == ("", "")


def test_the_labels_of_a_model_of_regions_say_what_its_masks_hold() -> None:
    labels = {"background": 0, "tumour": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    dataset = {"labels": labels, "regions_class_order": [1, 2, 3]}
    assert read_labels(dataset) == [
        {"name": "tumour without core, enhancing", "index": 1},
        {"name": "core without enhancing", "index": 2},
        {"name": "enhancing", "index": 3},
    ]
    assert read_regions(dataset) == [1, 2, 3] and count_outputs(dataset) == 3


@pytest.mark.parametrize(
    ("regions", "order"),
    [
        ({"whole": [1, 2], "part": 2}, [1]),
        ({"whole": [1, 2], "part": 2}, [1, 1]),
        ({"whole": [1, 2], "part": 2}, [1, 9]),
        ({"whole": [1, 2], "part": 2}, ["1", "2"]),
        ({"whole": [1, 2], "part": 2}, None),
        ({"whole": [], "part": 2}, [1, 2]),
        ({"whole": [0, 1], "part": 2}, [1, 2]),
        ({"whole": [1, 300], "part": 2}, [1, 2]),
        ({"whole": [1, 2], "part": 2, "ignore": 7}, [1, 2]),
        ({"whole": [1], "part": 2}, [1, 2]),
        ({"whole": [1, [2]], "part": 2}, [1, 2]),
    ],
)
def test_regions_that_leave_doubt_are_refused(regions: dict[str, object], order: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_labels({"labels": {"background": 0, **regions}, "regions_class_order": order})
    assert refused.value.code == "model_labels_invalid"
