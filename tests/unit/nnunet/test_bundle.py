"""Importing a model runs nothing in it and keeps its weights."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.model_sharing.model_export import export_pretrained_model

from segloop.errors import InvalidInput
from segloop.nnunet.bundle import import_model, load_weights, read_bundle
from segloop.nnunet.tiny import write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model", weights="random", labels=2, patch=(8, 8, 8))


def _edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))


def _refusal(path: Path, out: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        import_model(path, out)
    return refused.value.code


class _Command:
    """What a hostile pickle does: name a function for the reader to call."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._marker),)


def test_weights_survive_and_numpy_scalars_of_either_numpy_are_read(model: Path, tmp_path: Path) -> None:
    file = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(file, weights_only=True)
    torch.save(checkpoint | {"_best_ema": np.float64(0.5)}, file)
    info = import_model(model, tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle") == info
    weights = load_weights(tmp_path / "bundle", "0")
    assert weights.keys() == checkpoint["network_weights"].keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in checkpoint["network_weights"].items())


def test_a_checkpoint_that_runs_code_is_refused_and_runs_nothing(model: Path, tmp_path: Path) -> None:
    file = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(file, weights_only=True)
    torch.save(checkpoint | {"logging": _Command(tmp_path / "ran")}, file)
    assert _refusal(model, tmp_path / "bundle") == "model_unsafe"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["subprocess.Popen", "torch.nn.modules.conv.os.system", "os.system"])
def test_plans_that_name_a_command_are_refused_and_run_nothing(
    model: Path, tmp_path: Path, name: str
) -> None:
    def hostile(plans: dict[str, Any]) -> None:
        arguments = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
        arguments |= {"nonlin": name, "nonlin_kwargs": {"args": ["touch", str(tmp_path / "ran")]}}

    _edit(model / "plans.json", hostile)
    assert _refusal(model, tmp_path / "bundle") == "model_unsafe"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "fold_0/../../outside", "..\\outside"])
def test_an_archive_that_writes_outside_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr(name, "x")
    assert _refusal(tmp_path / "model.zip", tmp_path / "bundle") == "model_unsafe"
    assert not (tmp_path / "outside").exists()


def test_an_archive_that_grows_without_measure_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plans.json", b"0" * 5_000_000)
    assert _refusal(tmp_path / "model.zip", tmp_path / "bundle") == "model_unsafe"


def test_links_and_zips_within_a_model_are_not_followed(model: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("model/plans.json")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "linked.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert _refusal(tmp_path / "linked.zip", tmp_path / "bundle") == "model_unsafe"
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        for file in sorted(model.rglob("*")):
            archive.write(file, file.relative_to(model.parent))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "inner.zip")
    assert _refusal(tmp_path / "outer.zip", tmp_path / "bundle") == "model_incomplete"


def test_code_and_pickles_beside_a_model_are_neither_run_nor_kept(model: Path, tmp_path: Path) -> None:
    command = f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n"
    for name in ("nnUNetTrainer.py", "__init__.py", "conftest.py", "fold_0/postprocessing.py"):
        (model / name).write_text(command)
    for name in ("postprocessing.pkl", "fold_0/checkpoint_best.pkl"):
        (model / name).write_bytes(pickle.dumps(_Command(tmp_path / "ran")))
    import_model(model, tmp_path / "bundle")
    assert not (tmp_path / "ran").exists()
    assert {file.suffix for file in (tmp_path / "bundle").iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("damage", ["cut", "flipped", "bzip2", "lzma"])
def test_a_damaged_archive_of_a_model_is_incomplete(model: Path, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "model.zip"
    method = {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}.get(damage, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.write(model / "plans.json", "model/plans.json")
    body = bytearray(file.read_bytes())
    body[60:80] = bytes(value ^ 0x55 for value in body[60:80])
    file.write_bytes(body[: len(body) // 2] if damage == "cut" else body)
    assert _refusal(file, tmp_path / "bundle") == "model_incomplete"


@pytest.mark.parametrize("text", ["", "[]", '{"a": "nowhere"}', '{"a": {}}'])
def test_a_bundle_whose_aliases_lead_nowhere_is_incomplete(model: Path, tmp_path: Path, text: str) -> None:
    import_model(model, tmp_path / "bundle")
    (tmp_path / "bundle" / "fold_0.aliases.json").write_text(text)
    assert _refusal(tmp_path / "bundle", tmp_path / "copy") == "model_incomplete"


def test_a_bundle_whose_dataset_is_none_is_incomplete(model: Path, tmp_path: Path) -> None:
    """Found by fuzzing."""
    import_model(model, tmp_path / "bundle")
    _edit(tmp_path / "bundle" / "model.json", lambda body: body.update(dataset=[]))
    assert _refusal(tmp_path / "bundle", tmp_path / "copy") == "model_incomplete"


def _export(
    results: Path, out: Path, monkeypatch: pytest.MonkeyPatch, configurations: tuple[str, ...]
) -> Path:
    """Let nnU-Net's own exporter make a zip of trained models of one fold."""
    for configuration in configurations:
        folder = results / "Dataset999_Tiny" / f"nnUNetTrainer__nnUNetPlans__{configuration}"
        patch, spacing_mm = ((8, 8), (3.0, 3.0)) if configuration == "2d" else ((8, 8, 8), (3.0, 3.0, 3.0))
        write_tiny_model(folder, weights="random", labels=2, patch=patch, spacing_mm=spacing_mm)
        for name in ("fold_0/progress.png", "fold_0/validation/summary.json", "dataset_fingerprint.json"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("{}")  # the exporter wants them; nobody reads them
    monkeypatch.setenv("nnUNet_results", str(results))
    export_pretrained_model("Dataset999_Tiny", str(out), configurations, folds=(0,))
    return out


def test_what_nnunet_exports_is_imported_like_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = _export(tmp_path / "results", tmp_path / "model.zip", monkeypatch, ("3d_fullres",))
    assert import_model(exported, tmp_path / "a") == import_model(tmp_path / "results", tmp_path / "b")
    first, second = (load_weights(tmp_path / folder, "0") for folder in ("a", "b"))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_which_of_several_exported_models_is_meant_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = _export(tmp_path / "results", tmp_path / "model.zip", monkeypatch, ("2d", "3d_fullres"))
    with pytest.raises(InvalidInput) as refused:
        import_model(exported, tmp_path / "bundle")
    assert refused.value.code == "model_ambiguous"
    assert "nnUNetTrainer__nnUNetPlans__2d" in refused.value.message
    one = tmp_path / "results" / "Dataset999_Tiny" / "nnUNetTrainer__nnUNetPlans__2d"
    assert import_model(one, tmp_path / "bundle").configuration == "2d"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"labels": {"background": 0}}, "model_label_less"),
        ({"channel_names": {"0": "CT", "1": "PET"}}, "model_unsupported"),
    ],
)
def test_a_model_we_cannot_serve_is_refused(
    model: Path, tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    _edit(model / "dataset.json", lambda dataset: dataset.update(change))
    assert _refusal(model, tmp_path / "bundle") == code


def test_plans_that_inherit_from_themselves_are_refused(model: Path, tmp_path: Path) -> None:
    _edit(
        model / "plans.json",
        lambda plans: plans["configurations"]["3d_fullres"].update(inherits_from="3d_fullres"),
    )
    assert _refusal(model, tmp_path / "bundle") == "model_incomplete"


def test_a_bundle_whose_folds_are_paths_is_refused(model: Path, tmp_path: Path) -> None:
    import_model(model, tmp_path / "bundle")
    _edit(tmp_path / "bundle" / "model.json", lambda body: body.update(folds=["/../../outside"]))
    assert _refusal(tmp_path / "bundle", tmp_path / "copy") == "model_unsafe"


def test_a_folder_without_a_model_is_incomplete(tmp_path: Path) -> None:
    assert _refusal(tmp_path, tmp_path / "bundle") == "model_incomplete"


def test_a_model_that_does_not_say_its_voxel_order_is_refused_until_someone_does(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    dataset = json.loads((model / "dataset.json").read_text())
    del dataset["orientation"]
    (model / "dataset.json").write_text(json.dumps(dataset))
    with pytest.raises(InvalidInput) as refusal:
        import_model(model, tmp_path / "out")
    assert refusal.value.code == "model_orientation_unknown"
    assert import_model(model, tmp_path / "out", orientation="LPS").orientation == "LPS"
    with pytest.raises(InvalidInput):
        import_model(model, tmp_path / "out", orientation="LRS")
