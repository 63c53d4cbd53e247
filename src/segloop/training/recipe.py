"""How a training run learns: plain values that are stored with the run and with the version it makes."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from segloop.errors import InvalidInput


@dataclass(frozen=True)
class Recipe:
    """Length, speed and mixture of a run. The defaults are a quick tune of the version in production.

    Args:
        n_epochs: Epochs, after each of which the run is validated and reported.
        iterations_per_epoch: Batches per epoch; nnU-Net's own number is 250.
        validation_iterations: Batches to validate on after each epoch.
        learning_rate: At the start; it falls to 0 as nnU-Net's does. Its trainer for pretrained weights takes 1e-3.
        optimizer: "sgd" is nnU-Net's own (momentum 0.99, which takes some hundred iterations to build up).
        foreground_share: Share of each batch that is centred on a labelled structure.
        replay_share: Share of samples drawn from earlier cases when there are both earlier and new ones. Training on new
            cases alone forgets the old ones.
        mirroring: Axes to mirror at random; left and right labels change sides with the image.
        seed: Of every random choice.
        loader_processes: 0 loads in the training process, which repeats exactly; a GPU wants several.
        threads: Of the CPU; 0 leaves the number as it is.
        checkpoint_every_s: How much work a killed run may lose.

    Raises:
        InvalidInput: `recipe_invalid`.
    """

    n_epochs: int = 50
    iterations_per_epoch: int = 250
    validation_iterations: int = 20
    learning_rate: float = 1e-3
    optimizer: Literal["sgd", "adamw"] = "sgd"
    foreground_share: float = 0.33
    replay_share: float = 0.5
    mirroring: Literal["all", "left_right", "none"] = "left_right"
    seed: int = 0
    loader_processes: int = 0
    threads: int = 0
    checkpoint_every_s: float = 120.0

    def __post_init__(self) -> None:
        counts = (self.n_epochs, self.iterations_per_epoch, self.validation_iterations)
        sensible = (
            min(counts) >= 1
            and 0 < self.learning_rate <= 1
            and self.optimizer in ("sgd", "adamw")
            and 0 <= self.foreground_share <= 1
            and 0 <= self.replay_share < 1
            and self.mirroring in ("all", "left_right", "none")
            and min(self.seed, self.loader_processes, self.threads, self.checkpoint_every_s) >= 0
        )
        if not sensible:
            raise InvalidInput(
                "recipe_invalid", "The training's recipe holds a value that makes no sense; correct it."
            )

    @classmethod
    def full(cls, n_epochs: int = 1000) -> "Recipe":
        """Return nnU-Net's own recipe for a training from scratch."""
        return cls(n_epochs, validation_iterations=50, learning_rate=1e-2, mirroring="all")

    @classmethod
    def usual(cls, kind: str, device: str) -> "Recipe":
        """Return what a retraining does where nobody says otherwise: minutes on a CPU, nnU-Net's own lengths on a GPU.

        On a CPU AdamW learns in the few hundred steps that there is time for; nnU-Net's SGD would still be warming up.
        """
        if device == "cpu":
            tune = kind == "quick_tune"
            return cls(
                n_epochs=6 if tune else 40,
                iterations_per_epoch=15 if tune else 25,
                validation_iterations=4,
                learning_rate=1e-4 if tune else 2e-3,
                optimizer="adamw",
                foreground_share=0.66,
                checkpoint_every_s=30.0,
            )
        if kind == "quick_tune":
            return cls(loader_processes=4)
        return replace(cls.full(), loader_processes=4, mirroring="left_right")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> "Recipe":
        """Return a stored recipe.

        Raises:
            InvalidInput: `recipe_invalid`.
        """
        try:
            return cls(**body)
        except TypeError as error:
            raise InvalidInput(
                "recipe_invalid", f"The training's recipe can't be read ({error}); write it again."
            ) from error


def sampling_weights(new: list[str], earlier: list[str], replay_share: float) -> dict[str, float]:
    """Return how often each case is drawn, summing to 1: `replay_share` over the earlier cases, the rest over the new.

    A case listed in both is new. Where one kind is missing the other gets everything.
    """
    old = sorted(set(earlier) - set(new))
    fresh = sorted(set(new))
    share = replay_share if fresh and old else float(bool(old))
    weights = {case: share / len(old) for case in old}
    return weights | {case: (1 - share) / len(fresh) for case in fresh}
