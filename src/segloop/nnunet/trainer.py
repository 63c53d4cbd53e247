"""nnU-Net's own trainer for corrections: partial labels, replay, a whole start, and a state that survives a kill."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import autocast, nn
from torch.nn.parallel import DistributedDataParallel

from segloop.errors import InvalidInput
from segloop.nnunet import checkpoint
from segloop.nnunet.loaders import build_loaders, rank_share
from segloop.nnunet.marginal_loss import MarginalDiceCE, hard_counts, pseudo_dice
from segloop.nnunet.ranks import any_rank, mean_over_ranks, n_ranks, total_over_ranks
from segloop.nnunet.workspace import Workspace, with_ignore
from segloop.training.progress import Progress

Outcome = Literal["finished", "stopped"]


class Stopped(Exception):
    """Raised between two iterations when the run was asked to stop."""


class LoopTrainer(nnUNetTrainer):  # type: ignore[misc]
    """A run in one workspace folder; made again on the same folder it goes on where its state was saved.

    Of nnU-Net it keeps the network, augmentation, sampling, optimisers, learning rate schedule and training step. Beside
    its own files in `results/` it writes state.pt, progress.jsonl (a line per epoch) and heartbeat.json, each of them
    whole or not at all.

    Where torch.distributed is initialised this process is one of several (ranks) that share each batch: the loss, the
    state and, without loader processes, the batches are those of a single process, so a run may go on with another
    number of them. Rank 0 writes.
    """

    is_ddp: bool
    network: Any
    workspace: Workspace
    stop: Callable[[], bool]
    on_epoch: Callable[[dict[str, Any]], None]

    @classmethod
    def open(
        cls,
        folder: Path,
        device: str = "cpu",
        *,
        stop: Callable[[], bool] | None = None,
        on_epoch: Callable[[dict[str, Any]], None] = lambda record: None,
    ) -> "LoopTrainer":
        """Return the trainer of a workspace.

        Args:
            folder: As `Workspace.save` left it; the version to start from, if any, is the bundle in `start/`.
            device: "cpu" or "cuda".
            stop: Asked before every iteration; without it, whether the file `stop` is in the folder.
            on_epoch: Given each epoch's record after it was written; it may wait, so that others get the device. Of
                several processes the first one calls it, and the others wait for it.

        Raises:
            InvalidInput: `processes_unequal` when the plans' batch can't be shared out.
        """
        workspace = Workspace.load(folder)
        for name in ("preprocessed", "results"):
            os.environ[f"nnUNet_{name}"] = str(folder / name)  # nnU-Net takes its folders from nowhere else
        if workspace.recipe.threads:
            torch.set_num_threads(workspace.recipe.threads)
        checkpoint.seed_everything(workspace.recipe.seed)
        # nnU-Net's trainer takes this entry out of the plans again.
        plans = deepcopy(workspace.plans) | {"continue_training": False}
        dataset = with_ignore(workspace.dataset, workspace.table)
        trainer = cls(plans, workspace.configuration, 0, dataset, torch.device(device))
        if trainer.is_ddp and device == "cpu":  # nnU-Net takes for granted that several processes have GPUs
            trainer.device, trainer.grad_scaler = torch.device("cpu"), None
        trainer._attach(workspace)
        trainer.stop = stop or (folder / "stop").exists
        trainer.on_epoch = on_epoch
        return trainer

    @property
    def trained_folder(self) -> Path:
        """The nnU-Net model folder that a finished run leaves, fit for `bundle.import_model`."""
        return Path(self.output_folder_base)

    def run_training(self) -> Outcome:
        """Train to the end of the recipe or until stopped; a stopped run goes on later with nothing lost.

        Raises:
            InvalidInput: `training_diverged`, `checkpoint_broken`, `weights_do_not_fit`.
        """
        self.on_train_start()
        try:
            while self.current_epoch < self.num_epochs:
                self._epoch()
        except Stopped:
            self.save_state()
            return "stopped"
        self.on_train_end()
        return "finished"

    def initialize(self) -> None:
        """Build network, optimiser and loss as nnU-Net does, and join the other processes also on a CPU."""
        shared, self.is_ddp = self.is_ddp, False  # nnU-Net would put this process on a GPU
        super().initialize()
        self.is_ddp = shared
        if shared:
            on_gpu = self.device.type == "cuda"
            network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network) if on_gpu else self.network
            self.network = DistributedDataParallel(network, device_ids=[self.local_rank] if on_gpu else None)
            self.loss = self._build_loss()

    def print_to_log_file(
        self, *args: Any, also_print_to_console: bool = True, add_timestamp: bool = True
    ) -> None:
        """Write to nnU-Net's log file, and nothing to the console."""
        super().print_to_log_file(*args, also_print_to_console=False, add_timestamp=add_timestamp)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Return nnU-Net's SGD, or AdamW on nnU-Net's schedule."""
        if self.workspace.recipe.optimizer == "sgd":
            optimizer, schedule = super().configure_optimizers()
            return optimizer, schedule
        adam = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=1e-2)
        return adam, PolyLRScheduler(adam, self.initial_lr, self.num_epochs)

    def _build_loss(self) -> nn.Module:
        loss: Any = MarginalDiceCE(
            self.workspace.table, batch_dice=self.configuration_manager.batch_dice, ddp=self.is_ddp
        )
        if self._do_i_compile():
            loss.dc = torch.compile(loss.dc)
        weights = np.array([0.5**i for i in range(len(self._get_deep_supervision_scales()))])
        # As in nnU-Net: the coarsest output counts nothing, or next to it where DDP must see it used.
        weights[1:][-1:] = 1e-6 if self.is_ddp and not self._do_i_compile() else 0.0
        return DeepSupervisionWrapper(loss, weights / weights.sum())  # type: ignore[no-any-return]

    def get_dataloaders(self) -> tuple[Any, Any]:
        """Return endless batches of training and validation patches; the mixture is the recipe's."""
        train, held, self.inference_allowed_mirroring_axes = build_loaders(self, self.workspace)
        return train, held

    def on_train_start(self) -> None:
        """Build everything, load the start or the saved state, and leave no progress of epochs that are done again."""
        if not self.was_initialized:
            self.initialize()
        self.dataloader_train, self.dataloader_val = self.get_dataloaders()
        self.set_deep_supervision_enabled(True)
        if self._state.exists():
            self._restore()
        elif (self.workspace.folder / "start").exists():
            checkpoint.load_start(self._bare_network(), self.workspace.folder / "start")
        if self.local_rank == 0:
            self._progress.resume(self.current_epoch)
        self._saved_at = time.monotonic()

    def on_train_end(self) -> None:
        """Write the trained folder; a repeat writes the same."""
        self.save_state()
        if self.local_rank != 0:
            return
        self.workspace.write_trained(
            Path(self.output_folder),
            {name: value.cpu() for name, value in self._bare_network().state_dict().items()},
            self.inference_allowed_mirroring_axes,
        )
        for loader in (self.dataloader_train, self.dataloader_val):
            if isinstance(loader, NonDetMultiThreadedAugmenter):
                loader._finish()

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the loss and, per foreground class, hard counts over the voxels where its presence is known."""
        data = batch["data"].to(self.device, non_blocking=True)
        target = [one.to(self.device, non_blocking=True) for one in batch["target"]]
        with autocast("cuda") if self.device.type == "cuda" else nullcontext():
            output = self.network(data)
            loss = self.loss(output, target)
        counts = torch.from_numpy(hard_counts(output[0], target[0], self.workspace.table)).to(self.device)
        mean = mean_over_ranks(float(loss), self.device)
        return {"loss": mean, "counts": total_over_ranks(counts).cpu().numpy()}

    def save_state(self) -> None:
        """Write all that a resumed run needs to draw the same batches and make the same steps."""
        self._saved_at = time.monotonic()
        if self.local_rank != 0:
            return
        state = checkpoint.capture(self, self._bare_network(), self._random or checkpoint.random_state())
        state |= {"losses": list(self._losses), "recipe": self.workspace.recipe.to_dict()}
        checkpoint.write(state, self._state)

    def _restore(self) -> None:
        state = checkpoint.read(self._state, self.device)
        if state.get("recipe") != self.workspace.recipe.to_dict():
            raise checkpoint.broken("of another recipe")
        checkpoint.restore(self, self._bare_network(), state)
        self._losses[:] = state["losses"]

    def _attach(self, workspace: Workspace) -> None:
        recipe = workspace.recipe
        rank_share(self.configuration_manager.batch_size, recipe.foreground_share, self.local_rank, n_ranks())
        self.workspace = workspace
        self.num_epochs = recipe.n_epochs
        self.num_iterations_per_epoch = recipe.iterations_per_epoch
        self.num_val_iterations_per_epoch = recipe.validation_iterations
        self.initial_lr = recipe.learning_rate
        self.oversample_foreground_percent = recipe.foreground_share
        self._losses: list[float] = []
        self._random: dict[str, Any] | None = None
        self._state = workspace.folder / "state.pt"
        self._progress = Progress(workspace.folder, recipe.n_epochs, recipe.iterations_per_epoch)
        self._saved_at = time.monotonic()

    def _epoch(self) -> None:
        began, first = time.monotonic(), len(self._losses)
        self.network.train()
        self.lr_scheduler.step(self.current_epoch)
        while len(self._losses) < self.num_iterations_per_epoch:
            self._listen()
            own = float(self.train_step(next(self.dataloader_train))["loss"])
            loss = mean_over_ranks(own, self.device)
            _require_number(loss)
            self._losses.append(loss)
            if self.local_rank == 0:
                pace = (time.monotonic() - began) / (len(self._losses) - first)
                self._progress.beat(self.current_epoch, self._losses, pace)
            if time.monotonic() - self._saved_at > self.workspace.recipe.checkpoint_every_s:
                self.save_state()
        record = self._validate() | {"seconds": round(time.monotonic() - began, 3)}
        self.current_epoch += 1
        self._losses.clear()
        if self.local_rank == 0:
            self._progress.add(record)
            self.on_epoch(record)

    def _validate(self) -> dict[str, Any]:
        self.network.eval()
        self._random = checkpoint.random_state()  # a run stopped in here validates again from its start
        outputs = []
        with torch.no_grad():
            for _ in range(self.num_val_iterations_per_epoch):
                self._listen()
                outputs.append(self.validation_step(next(self.dataloader_val)))
        self._random = None
        _require_number(validation_loss := float(np.mean([output["loss"] for output in outputs])))
        dice = pseudo_dice([output["counts"] for output in outputs])
        return {
            "epoch": self.current_epoch,
            "n_epochs": self.num_epochs,
            "train_loss": float(np.mean(self._losses)),
            "validation_loss": validation_loss,
            "dice": dict(zip(self.workspace.labels, dice, strict=True)),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }

    def _listen(self) -> None:
        if any_rank(self.stop(), self.device):
            raise Stopped

    def _bare_network(self) -> nn.Module:
        network = self.network.module if self.is_ddp else self.network
        bare: nn.Module = getattr(network, "_orig_mod", network)
        return bare


def _require_number(loss: float) -> None:
    if not np.isfinite(loss):
        raise InvalidInput(
            "training_diverged",
            "The training's loss is no longer a number. Lower the learning rate; production is untouched.",
        )
