"""Which trials can be trained as one model, and why others cannot. Does not import torch."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.config.registries import BALANCERS, FORMS
from trainables.config.trial import TrialConfig

VARYING: dict[str, tuple[str, ...]] = {
    "optimization": ("learning_rate", "weight_decay"),
    "loss": ("margin", "embedding_l2", "mask_l1"),
    "modulation": ("rate_factor",),
}
"""Settings, by section, in which members of a unit may differ, beside the seed of training: a number per member."""

WEIGHTINGS = frozenset({"equal", "rlw", "dwa", "uncertainty", "famo"})
"""Balancing methods that need one backward pass through a weighted sum of the losses."""

BACKBONES = frozenset({"simplenet", "csn_resnet18"})
"""Backbones whose operations are known to run under ``torch.func.vmap``."""


def why_not_fused(config: TrialConfig) -> str | None:
    """Return in plain words why trials like this one cannot be trained as one model; None if they can."""
    network, method, form = config.network, config.balancing.method, config.modulation.form
    if network.imported:
        return f"nothing is known of the operations of the imported network {network.backbone!r}"
    if network.backbone not in BACKBONES:
        return f"nothing is known of the operations of the backbone {network.backbone!r}, of another package"
    if config.modulation.points and form not in FORMS.built_in:
        return f"nothing is known of the operations of the form {form!r}, of another package"
    if method not in BALANCERS.built_in:
        return f"nothing is known of the balancing method {method!r}, of another package"
    if method not in WEIGHTINGS:
        return f"the balancing method {method!r} differentiates the loss of each task by itself"
    return None


def why_not_tuned_fused(varied: Sequence[str]) -> str | None:
    """Return why trials that differ in these settings cannot be trained as one model; None if they can.

    Args:
        varied: Dotted keys of a trial's configuration.
    """
    known = {f"{section}.{name}" for section, names in VARYING.items() for name in names}
    others = sorted(set(varied) - known - {"train_seed"})
    why = "which changes shapes" if "batches.batch_size" in others else "which is one number for a whole model"
    return f"its trials differ in {', '.join(others)}, {why}" if others else None


def check_members(configs: Sequence[TrialConfig]) -> None:
    """Check that trials can be trained as one model.

    Raises:
        ValueError: One cannot, or they differ in more than ``VARYING`` and the seed of training.
    """
    first = configs[0]
    reason = why_not_fused(first)
    if reason is not None:
        raise ValueError(f"compute.fused: these trials cannot be trained as one model: {reason}")
    if first.compute.fused != len(configs):
        raise ValueError(f"compute.fused is {first.compute.fused}, but the unit has {len(configs)} slots")
    common = _without_varying(first)
    for other in configs[1:]:
        if _without_varying(other) != common:
            raise ValueError(
                "members of a fused unit may differ in learning rates, decay, margin, penalties and seed only"
            )


def _without_varying(config: TrialConfig) -> TrialConfig:
    """Return a trial with the settings in which members may differ at fixed values; penalties stay on or off."""
    changed = {"train_seed": 0}
    sections = {
        "optimization": config.optimization.model_copy(update={"learning_rate": 1.0, "weight_decay": 0.0}),
        "modulation": config.modulation.model_copy(update={"rate_factor": 1.0}),
        "loss": config.loss.model_copy(
            update={
                "margin": 1.0,
                "embedding_l2": float(config.loss.embedding_l2 > 0),
                "mask_l1": float(config.loss.mask_l1 > 0),
            }
        ),
    }
    return config.model_copy(update={**changed, **sections})
