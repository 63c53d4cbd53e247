"""What cannot fit is refused before work begins, with both amounts and what to do."""

from pathlib import Path

import numpy as np
import pytest
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient
from segloop.nnunet import memory
from segloop.nnunet.bundle import import_model
from segloop.nnunet.predict import Predictor
from segloop.nnunet.tiny import write_tiny_model

GIB = 2**30


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("memory")
    import_model(write_tiny_model(folder / "model", labels=3, patch=(8, 8, 8)), folder / "bundle")
    return Predictor.load(folder / "bundle", device="cpu")


def _grid(shape: tuple[int, int, int], spacing_mm: float = 3.0) -> Geometry:
    return Geometry(shape, np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0]))


def test_a_volume_that_cannot_fit_is_refused_before_any_work(predictor: Predictor) -> None:
    stages: list[str] = []
    geometry = _grid((20, 20, 20))
    with pytest.raises(InvalidInput) as refused:
        predictor.predict(
            np.zeros(geometry.shape, np.int16),
            geometry,
            progress=lambda stage, fraction: stages.append(stage),
            available=lambda: 2**27,
        )
    assert refused.value.code == "volume_too_large"
    assert "about 0.3 GiB" in refused.value.message
    assert "0.1 GiB free" in refused.value.message
    assert "Crop" in refused.value.message
    assert stages == []


def test_what_is_needed_grows_with_the_grid_the_classes_and_the_models_finer_spacing(
    predictor: Predictor,
) -> None:
    def needed(shape: tuple[int, int, int], spacing_mm: float) -> int:
        return memory.needed_bytes(_grid(shape, spacing_mm), predictor.info) - memory.FIXED_BYTES

    assert 7 < needed((400, 400, 400), 3.0) / needed((200, 200, 200), 3.0) < 9
    assert needed((200, 200, 200), 9.0) > 20 * needed((200, 200, 200), 3.0)
    predictor.require_room(_grid((512, 512, 300), 1.0), 2 * GIB)
    with pytest.raises(InvalidInput):
        predictor.require_room(_grid((1024, 1024, 1000), 1.0), 8 * GIB)


@pytest.mark.parametrize("where", [(slice(9, 10), 0, 3), (slice(None), slice(None), 19)])
def test_a_volume_that_is_zero_but_for_a_speck_or_a_sheet_is_refused(
    predictor: Predictor, where: tuple[slice | int, ...]
) -> None:
    geometry = _grid((20, 20, 20), 1.0)
    volume = np.zeros(geometry.shape, np.int16)
    volume[where] = 500
    with pytest.raises(InvalidInput) as refused:
        predictor.predict(volume, geometry)
    assert refused.value.code == "volume_too_small"
    assert predictor.predict(np.zeros_like(volume), geometry).shape == volume.shape


@pytest.mark.parametrize("transpose", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("patch", [(8, 8, 8), (8, 8)], ids=["3D", "2D"])
def test_the_grids_are_those_between_which_nnunet_resamples(
    tmp_path: Path, transpose: tuple[int, int, int], patch: tuple[int, ...]
) -> None:
    spacing_mm = (4.0, 2.0, 3.0)[-len(patch) :]
    write_tiny_model(
        tmp_path / "m",
        weights="random",
        patch=patch,
        spacing_mm=spacing_mm,
        transpose=transpose,
        orientation="PIR",
    )
    info = import_model(tmp_path / "m", tmp_path / "bundle")
    geometry = Geometry((30, 20, 10), np.diag([1.5, 2.5, 3.5, 1.0]))
    turned, grid = reorient(np.ones(geometry.shape, np.int16), geometry, info.orientation)
    plans = PlansManager(info.plans)
    data, _, _ = DefaultPreprocessor(verbose=False).run_case_npy(
        turned.transpose(2, 1, 0)[None],
        None,
        {"spacing": grid.spacing_mm[::-1]},
        plans,
        plans.get_configuration(info.configuration),
        info.dataset,
    )
    assert memory.grids(geometry, info).resampled == data.shape[1:]


def test_voxels_of_a_metre_do_not_overflow_the_estimate(predictor: Predictor) -> None:
    with pytest.raises(InvalidInput) as refused:
        predictor.require_room(_grid((512, 512, 512), 1e6), 2**62)
    assert refused.value.code == "volume_too_large"


def test_a_volume_thinner_than_the_models_voxels_is_refused(predictor: Predictor) -> None:
    geometry = _grid((20, 20, 4), 0.2)
    with pytest.raises(InvalidInput) as refused:
        predictor.predict(np.ones(geometry.shape, np.int16), geometry)
    assert refused.value.code == "volume_too_small"
    assert "4 x 4 x 0.8 mm" in refused.value.message


def test_outputs_of_one_patch_count_where_the_classes_are_many(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model", labels=100, patch=(32, 32, 32))
    info = import_model(model, tmp_path / "bundle")
    small = memory.needed_bytes(_grid((32, 32, 32)), info) - memory.FIXED_BYTES
    assert small > 12 * 101 * 32**3


def test_profiles_that_hold_more_of_a_patch_need_more(tmp_path: Path) -> None:
    info = import_model(
        write_tiny_model(tmp_path / "model", labels=100, patch=(32, 32, 32)), tmp_path / "bundle"
    )
    exact, mirrored, fast = (
        memory.needed_bytes(_grid((32, 32, 32)), info, profile)
        for profile in ("exact", "exact+mirroring", "fast")
    )
    assert mirrored - exact == 4 * 101 * 32**3 and fast - exact == 8 * 101 * 32**3


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, memory.UNKNOWN),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    1024 kB\n"}, 2**20),
        (
            {
                "proc/meminfo": "MemAvailable: 999999999 kB\n",
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
                "sys/fs/cgroup/a/b/memory.current": "5\n",
                "sys/fs/cgroup/a/memory.max": "1000\n",
                "sys/fs/cgroup/a/memory.current": "900\n",
                "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 50\n",
            },
            150,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/xyz\n1:cpu:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1200\n",
                "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
            },
            0,
        ),
    ],
    ids=["nothing known", "machine", "group above of version 2", "container of version 1"],
)
def test_the_smallest_limit_counts(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.available_bytes(tmp_path) == expected
