"""A training run's state on disk: whole or not at all, plain values and tensors only, every random stream included."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from segloop.errors import InvalidInput
from segloop.nnunet import bundle


def write(state: dict[str, Any], file: Path) -> None:
    """Save under another name, flush to the disk, rename: a killed process leaves the previous state or this one."""
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


def read(file: Path, device: torch.device) -> dict[str, Any]:
    """Load a state without running anything in it.

    Raises:
        InvalidInput: `checkpoint_broken`.
    """
    try:
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # whatever a broken file makes of zip, pickle and torch
        raise broken("damaged") from error
    return state


def broken(how: str) -> InvalidInput:
    """Return the error for a state that can't be used."""
    return InvalidInput(
        "checkpoint_broken",
        f"The run's last checkpoint is {how}; start the training again. Production is untouched.",
    )


def capture(trainer: nnUNetTrainer, network: nn.Module, random_streams: dict[str, Any]) -> dict[str, Any]:
    """Return what a trainer needs to make the same further steps; `network` is the bare one, without wrappers."""
    return {
        "network": network.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": None if trainer.grad_scaler is None else trainer.grad_scaler.state_dict(),
        "epoch": trainer.current_epoch,
        "random": random_streams,
    }


def restore(trainer: nnUNetTrainer, network: nn.Module, state: dict[str, Any]) -> None:
    """Put a trainer back to where `capture` found it.

    Raises:
        InvalidInput: `checkpoint_broken` when the state is another network's.
    """
    try:
        network.load_state_dict(state["network"], strict=True)
        trainer.optimizer.load_state_dict(state["optimizer"])
        if trainer.grad_scaler is not None and state["scaler"] is not None:
            trainer.grad_scaler.load_state_dict(state["scaler"])
        trainer.current_epoch = state["epoch"]
        restore_random_state(state["random"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise broken("of another run") from error


def load_start(network: nn.Module, folder: Path) -> None:
    """Load every weight of a bundle's first fold, the segmentation head included, which nnU-Net's own way drops.

    Raises:
        InvalidInput: `weights_do_not_fit`, `model_incomplete`, `model_unsafe`.
    """
    weights = bundle.load_weights(folder, bundle.read_bundle(folder).folds[0])
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise InvalidInput(
            "weights_do_not_fit",
            "The version to start from has another network or other labels; a new label needs a full retrain.",
        ) from error


def random_state() -> dict[str, Any]:
    """Return the state of every random stream that training draws from."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every random stream back to where `random_state` found it."""
    random.setstate(state["python"])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and torch.cuda.is_available():
        here = state["cuda"][: torch.cuda.device_count()]  # a run may go on with fewer GPUs
        torch.cuda.set_rng_state_all([one.cpu() for one in here])


def seed_everything(seed: int) -> None:
    """Start every random stream from one number."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
