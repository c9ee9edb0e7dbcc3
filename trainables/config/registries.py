"""Forms and balancing methods by name. Does not import torch: a class is imported on first use.

The class of a form declares which settings the form uses, and thereby which settings of a trial act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from trainables.foundation.registry import Registry

OwnValues = Mapping[str, Mapping[str, float | bool]]
"""Ranges of nuisance values by name, as a study file writes them: ``{"gradnorm_alpha": {"low": 0.1, "high": 3.0}}``."""

_MODULATION = "trainables.networks.modulation"
_LOSS_WEIGHTING = "trainables.losses.balancing.loss_weighting"
_TASK_GRADIENTS = "trainables.losses.balancing.task_gradients"

FORMS: Registry[Any] = Registry(
    "form",
    "modulation.form",
    "modstudy.forms",
    {
        "scale": f"{_MODULATION}.vectors:Scale",
        "scale_shift": f"{_MODULATION}.vectors:ScaleShift",
        "low_rank": f"{_MODULATION}.matrices:LowRank",
        "projection": f"{_MODULATION}.matrices:Projection",
        "squeeze_excite": f"{_MODULATION}.matrices:SqueezeExcite",
        "own": f"{_MODULATION}.own:Own",
        "batch_norm": f"{_MODULATION}.normalization:BatchNorm",
        "batch_norm_statistics": f"{_MODULATION}.normalization:BatchNormStatistics",
        "batch_norm_bias": f"{_MODULATION}.normalization:BatchNormBias",
        "batch_norm_affine": f"{_MODULATION}.normalization:BatchNormAffine",
        "parallel_adapter": f"{_MODULATION}.weight_changes:ParallelAdapter",
        "low_rank_convolution": f"{_MODULATION}.weight_changes:LowRankConvolution",
        "filter_mixing": f"{_MODULATION}.weight_changes:FilterMixing",
        "task_routing": f"{_MODULATION}.masks:TaskRouting",
        "weight_mask": f"{_MODULATION}.masks:WeightMask",
    },
)
"""Name -> subclass of ``Modulation``."""

BALANCERS: Registry[Any] = Registry(
    "balancing method",
    "balancing.method",
    "modstudy.balancers",
    {
        "equal": f"{_LOSS_WEIGHTING}.equal:Equal",
        "rlw": f"{_LOSS_WEIGHTING}.rlw:RandomWeights",
        "dwa": f"{_LOSS_WEIGHTING}.dwa:DynamicWeightAverage",
        "uncertainty": f"{_LOSS_WEIGHTING}.uncertainty:Uncertainty",
        "famo": f"{_LOSS_WEIGHTING}.famo:Famo",
        "gradnorm": f"{_LOSS_WEIGHTING}.gradnorm:GradNorm",
        "pcgrad": f"{_TASK_GRADIENTS}.pcgrad:pcgrad",
        "cagrad": f"{_TASK_GRADIENTS}.cagrad:cagrad",
        "mgda": f"{_TASK_GRADIENTS}.mgda:mgda",
        "upgrad": f"{_TASK_GRADIENTS}.upgrad:upgrad",
        "dualproj": f"{_TASK_GRADIENTS}.dualproj:dualproj",
        "imtl_g": f"{_TASK_GRADIENTS}.imtl_g:imtl_g",
        "aligned_mtl": f"{_TASK_GRADIENTS}.aligned_mtl:aligned_mtl",
        "graddrop": f"{_TASK_GRADIENTS}.graddrop:SignDropout",
        "gradvac": f"{_TASK_GRADIENTS}.gradvac:GradientVaccine",
        "nash_mtl": f"{_TASK_GRADIENTS}.nash_mtl:NashBargaining",
    },
)
"""Name -> factory of a model's balancer: a subclass of ``Balancer`` or a function."""


@dataclass(frozen=True)
class FormTraits:
    """What the class of a form declares of the settings that it uses, see ``Modulation``."""

    of_vectors: bool
    default_size: int | None
    keeps_first: bool
    has_parameters: bool
    has_scores: bool

    @classmethod
    def of(cls, form: Any) -> FormTraits:
        """Return the traits that a class declares."""
        return cls(**{field.name: getattr(form, field.name) for field in fields(cls)})


_RECORDED: dict[str, FormTraits] = {}


def note_traits(recorded: Mapping[str, FormTraits]) -> None:
    """Take note of the traits of forms of this project, as this very code has recorded them: no class need be imported.

    See ``study.plan.counted``.
    """
    _RECORDED.update({name: traits for name, traits in recorded.items() if name in FORMS.built_in})


def traits_of(form: str) -> FormTraits:
    """Return what declares the traits of a form: its record, or else its class, which is imported."""
    return _RECORDED.get(form) or cast("FormTraits", FORMS[form])
