"""Train a small nnU-Net on a CPU in hours: nnU-Net's network and loss, AdamW, bfloat16, resumable."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segloop.nnunet.cases import CONFIGURATION
from segloop.nnunet.patches import Case, PatchSource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to learn; the schedule ends with the iterations or the minutes, whichever is first."""

    iterations: int
    minutes: float
    peak_learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: float = 0.04
    averaging: float = 0.995
    save_every_s: float = 120.0
    seed: int = 0


class Training:
    """One run in one folder; made again on the same folder it goes on where the last state was saved."""

    def __init__(
        self,
        folder: Path,
        plans: dict[str, Any],
        dataset: dict[str, Any],
        cases: Sequence[Case],
        mirror_pairs: dict[int, int],
        recipe: Recipe,
    ) -> None:
        """`folder` becomes a regular nnU-Net v2 trained model folder with one fold, `fold_0`."""
        configuration = plans["configurations"][CONFIGURATION]
        self._folder, self._plans, self._dataset, self._recipe = (
            folder,
            plans,
            dataset,
            recipe,
        )
        self._batch_size = int(configuration["batch_size"])
        torch.manual_seed(recipe.seed)
        self.network = build_network(plans, len(dataset["labels"]), deep_supervision=True)
        self._names = _first_names(self.network)
        self._averaged = {n: self.network.state_dict()[n].clone() for n in set(self._names.values())}
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(),
            recipe.peak_learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self._loss = _loss(len(configuration["architecture"]["arch_kwargs"]["strides"]) - 1)
        z, y, x = configuration["patch_size"]
        self._patches = PatchSource(cases, (z, y, x), configuration["spacing"], mirror_pairs, recipe.seed)
        self.iteration, self.seconds = 0, 0.0
        self._resume()

    def run(self) -> None:
        """Train to the end of the schedule, saving on the way."""
        losses: list[float] = []
        tick = saved = time.monotonic()
        while self._progress() < 1:
            losses.append(self._step())
            now = time.monotonic()
            self.seconds += now - tick
            tick = now
            if self.iteration % 25 == 0:
                mean = float(np.mean(losses[-25:]))
                log.info(
                    "iteration %d, %.0f s, loss %.4f",
                    self.iteration,
                    self.seconds,
                    mean,
                )
            if now - saved > self._recipe.save_every_s:
                self.save()
                saved = now
        self.save()

    def save(self) -> None:
        """Write the resumable state and the model folder; each file appears whole or not at all."""
        fold = self._folder / "fold_0"
        fold.mkdir(parents=True, exist_ok=True)
        state = {
            "network": self.network.state_dict(),
            "averaged": self._averaged,
            "optimizer": self._optimizer.state_dict(),
            "generator": self._patches.generator.get_state(),
            "iteration": self.iteration,
            "seconds": self.seconds,
        }
        _save(state, self._folder / "state.pt")
        (self._folder / "plans.json").write_text(json.dumps(self._plans, indent=1))
        (self._folder / "dataset.json").write_text(json.dumps(self._dataset, indent=1))
        init = {
            "plans": self._plans,
            "configuration": CONFIGURATION,
            "fold": 0,
            "dataset_json": self._dataset,
        }
        checkpoint = {
            "network_weights": {name: self._averaged[first] for name, first in self._names.items()},
            "trainer_name": "nnUNetTrainer",  # the class that nnU-Net's own tools must look up to build the network
            "init_args": init,
            "inference_allowed_mirroring_axes": None,  # left and right are different organs
            "current_epoch": self.iteration,
        }
        _save(checkpoint, fold / "checkpoint_final.pth")

    def _step(self) -> float:
        data, seg = self._patches.batch(self._batch_size)
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self.network(data)
        loss: Tensor = self._loss([o.float() for o in outputs], _pyramid(seg, len(outputs)))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 12.0)
        self._optimizer.step()
        self.iteration += 1
        keep = min(self._recipe.averaging, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            weights = self.network.state_dict()
            for name, average in self._averaged.items():
                average.lerp_(weights[name], 1 - keep)
        return float(loss.detach())

    def _progress(self) -> float:
        return max(
            self.iteration / self._recipe.iterations,
            self.seconds / (60 * self._recipe.minutes),
        )

    def _learning_rate(self) -> float:
        progress, warmup = self._progress(), self._recipe.warmup
        if progress < warmup:
            return self._recipe.peak_learning_rate * (0.05 + 0.95 * progress / warmup)
        left = 1 - (progress - warmup) / (1 - warmup)
        return self._recipe.peak_learning_rate * float(0.01 + 0.99 * left**0.9)

    def _resume(self) -> None:
        file = self._folder / "state.pt"
        if not file.exists():
            return
        state = torch.load(file, weights_only=True)
        self.network.load_state_dict(state["network"])
        self._averaged = {name: state["averaged"][name] for name in self._averaged}
        self._optimizer.load_state_dict(state["optimizer"])
        self._patches.generator.set_state(state["generator"])
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        log.info("resumed at iteration %d", self.iteration)


def build_network(plans: dict[str, Any], classes: int, *, deep_supervision: bool) -> nn.Module:
    """The network that nnU-Net would build from these plans, with its initial weights."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    architecture = plans["configurations"][CONFIGURATION]["architecture"]
    network: nn.Module = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        classes,
        allow_init=True,
        deep_supervision=deep_supervision,
    )
    return network


def _first_names(network: nn.Module) -> dict[str, str]:
    """Each weight's name to the first name of the same tensor: nnU-Net registers most of them three times."""
    seen: dict[int, str] = {}
    return {name: seen.setdefault(value.data_ptr(), name) for name, value in network.state_dict().items()}


def _loss(n_outputs: int) -> Any:
    """nnU-Net's default: Dice plus cross-entropy, halved at each coarser output, the coarsest left out."""
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    dice = {"batch_dice": True, "smooth": 1e-5, "do_bg": False, "ddp": False}
    loss = DC_and_CE_loss(dice, {}, weight_ce=1, weight_dice=1, dice_class=MemoryEfficientSoftDiceLoss)
    weights = np.array([0.5**i for i in range(n_outputs)])
    weights[1:][-1:] = 0  # a single output keeps its weight
    return DeepSupervisionWrapper(loss, weights / weights.sum())


def _pyramid(seg: Tensor, levels: int) -> list[Tensor]:
    """Labels at each output's resolution, nearest neighbour."""
    return [seg[:, :, :: 2**i, :: 2**i, :: 2**i] for i in range(levels)]


def _save(content: dict[str, Any], file: Path) -> None:
    partial = file.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(file)
