"""Which networks may be built: plans name classes, and nnU-Net would import and call any of them."""

import re
from typing import Any

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn

from segloop.errors import InvalidInput

NETWORKS = {
    f"dynamic_network_architectures.architectures.unet.{name}"
    for name in ("PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet")
}
LAYERS = re.compile(
    r"torch\.nn\.(modules\.(conv|instancenorm|batchnorm|dropout|activation)\.)?"
    r"(Conv[23]d|InstanceNorm[23]d|BatchNorm[23]d|Dropout[23]?d?|LeakyReLU|ReLU|GELU|SiLU)"
)
RESAMPLING = {"resample_data_or_seg_to_shape", "resample_torch_fornnunet"}
NORMALIZATION = {
    "CTNormalization",
    "ZScoreNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
}


def require_safe_plans(plans: dict[str, Any], configuration: str) -> None:
    """Check that plans hold the configuration and name nothing but known classes and functions.

    Raises:
        InvalidInput: `model_unsafe`, `model_unsupported` or `model_incomplete`.
    """
    try:
        settings = resolved(plans, configuration)
        architecture = settings["architecture"]
        arguments = architecture["arch_kwargs"]
        named = [
            arguments[name] for name in architecture["_kw_requires_import"] if arguments[name] is not None
        ]
        resampling = {settings[f"resampling_fn_{kind}"] for kind in ("data", "seg", "probabilities")}
        normalization = set(settings["normalization_schemes"])
        preprocessor = settings["preprocessor_name"]
        cascade = settings.get("previous_stage")
        unsafe = [
            *({architecture["network_class_name"]} - NETWORKS),
            *(name for name in named if not LAYERS.fullmatch(str(name))),
            *(resampling - RESAMPLING),
            *(normalization - NORMALIZATION),
            *({preprocessor} - {"DefaultPreprocessor"}),
            *({plans.get("label_manager", "LabelManager")} - {"LabelManager"}),
        ]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput("model_incomplete", f"The plans lack {error}; export the model again.") from error
    if unsafe:
        raise InvalidInput(
            "model_unsafe",
            f"The plans name classes that are not allowed: {', '.join(map(str, unsafe))}.",
        )
    if cascade:
        raise InvalidInput(
            "model_unsupported",
            "Cascades are not supported; import the full-resolution model.",
        )


def build_network(plans: dict[str, Any], configuration: str, *, n_channels: int, n_classes: int) -> nn.Module:
    """Return the plans' network with fresh weights, without deep supervision and without nnU-Net's trainer search."""
    require_safe_plans(plans, configuration)
    architecture = resolved(plans, configuration)["architecture"]
    network: nn.Module = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        n_channels,
        n_classes,
        allow_init=False,
        deep_supervision=False,
    )
    return network


def resolved(plans: dict[str, Any], configuration: str) -> dict[str, Any]:
    """Return a configuration with what it inherits."""
    settings: dict[str, Any] = plans["configurations"][configuration]
    parent = settings.get("inherits_from")
    return {**(resolved(plans, parent) if parent else {}), **settings}
