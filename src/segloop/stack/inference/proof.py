"""What `segloop bench inference` runs: small and large phantoms, many classes, and real CT where there is some."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segloop.model_versions.profiles import Profile
from segloop.stack.applications import ROOT
from segloop.stack.inference import subjects
from segloop.stack.inference.compare import Turns, run

Say = Callable[[str], None]
SMALL = ((200, 200, 125), (0.9, 0.9, 1.1))
LARGE = ((512, 512, 300), (0.8, 0.8, 1.1))
SHORT = ((64, 64, 48), (2.0, 2.0, 2.0))
PROFILES: tuple[Profile, ...] = ("exact", "fast")


def engine(folder: Path, data: Path | None, say: Say, *, short: bool) -> list[dict[str, Any]]:
    """Compare engine and command on the CPU; `data` is an nnU-Net raw dataset with real CT in HU for the starter model."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for turns in _short(folder) if short else _all(folder, data):
        found.append(run(turns, folder / turns.name.replace(" ", "-"), say))
        say(sentence(found[-1]))
    return found


def sentence(row: dict[str, Any]) -> str:
    """Say in one line how the engine did against the command."""
    ours, peer = row["exact"], row["peer"]
    own = f"{row['name']}: {ours['cpu_s']:.2f} CPU-s, {ours['wall_s']:.2f} s, {ours['peak_bytes'] / 2**30:.2f} GiB"
    if peer is None:
        return own
    rest = (peer["cpu_s"] - ours["network_cpu_s"]) / (ours["cpu_s"] - ours["network_cpu_s"])
    return (
        f"{own}; nnUNetv2_predict {peer['cpu_s']:.1f} CPU-s (x{peer['cpu_s'] / ours['cpu_s']:.1f}), {peer['wall_s']:.1f} s "
        f"(x{peer['wall_s'] / ours['wall_s']:.1f}), {peer['peak_bytes'] / 2**30:.2f} GiB "
        f"(x{ours['peak_bytes'] / peer['peak_bytes']:.2f}), all but the network x{rest:.1f}, "
        f"differing voxels {[case['differing'] for case in ours['differs']]}"
    )


def _short(folder: Path) -> Iterator[Turns]:
    case = subjects.write_phantom(folder / "short.nii.gz", *SHORT)
    yield Turns("short", subjects.light(folder / "light-7"), [case], repeats=1, profiles=PROFILES)


def _all(folder: Path, data: Path | None) -> Iterator[Turns]:
    light = subjects.light(folder / "light-7")
    small = subjects.write_phantom(folder / "small.nii.gz", *SMALL)
    large = subjects.write_phantom(folder / "large.nii.gz", *LARGE)
    yield Turns("small", light, [small], profiles=PROFILES)
    yield Turns("large", light, [large], profiles=PROFILES)
    yield Turns("large, starter", _starter(folder), [large], repeats=1, profiles=PROFILES)
    for n in (25, 118):
        model = subjects.light(folder / f"light-{n}", labels=n)
        yield Turns(f"large, {n} classes", model, [large], repeats=1, with_peer=False)
    if data is not None:
        cases = sorted((data / "imagesTr").glob("*_0000.nii.gz"))[:4]
        yield Turns("four real cases, starter", _starter(folder), cases, profiles=PROFILES)


def _starter(folder: Path) -> subjects.Model:
    return subjects.of_bundle(folder / "starter", ROOT / "models/starter")
