"""Forms of modulation by name. A new one is a module with a class and one call of ``register_form``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trainables.foundation.registry import Registry
from trainables.networks.modulation.base import Modulation, Site
from trainables.networks.modulation.masks import TaskRouting, WeightMask
from trainables.networks.modulation.matrices import LowRank, Projection, SqueezeExcite
from trainables.networks.modulation.normalization import BatchNorm, BatchNormAffine, BatchNormBias, BatchNormStatistics
from trainables.networks.modulation.own import Own
from trainables.networks.modulation.vectors import ACTIVATIONS, Scale, ScaleShift
from trainables.networks.modulation.weight_changes import FilterMixing, LowRankConvolution, ParallelAdapter

__all__ = ["ACTIVATIONS", "FORMS", "Modulation", "Scale", "Site", "build_modulation", "known_forms", "register_form"]

_BUILT_IN: dict[str, type[Modulation] | str] = {
    "scale": Scale,
    "scale_shift": ScaleShift,
    "low_rank": LowRank,
    "projection": Projection,
    "squeeze_excite": SqueezeExcite,
    "own": Own,
    "batch_norm": BatchNorm,
    "batch_norm_statistics": BatchNormStatistics,
    "batch_norm_bias": BatchNormBias,
    "batch_norm_affine": BatchNormAffine,
    "parallel_adapter": ParallelAdapter,
    "low_rank_convolution": LowRankConvolution,
    "filter_mixing": FilterMixing,
    "task_routing": TaskRouting,
    "weight_mask": WeightMask,
}
FORMS = Registry("form", "modulation.form", "modstudy.forms", _BUILT_IN)
"""Name -> the class of the form, which declares what the form looks at."""


def register_form(name: str, form: type[Modulation]) -> None:
    """Make a form known under a name that study files may use.

    The class declares what the form looks at; see the attributes of ``Modulation``.

    Raises:
        ValueError: The name is taken by another form, or the form is no subclass of ``Modulation``.
    """
    _check_form(name, form)
    FORMS.register(name, form)


def _check_form(name: str, form: object) -> None:
    if not (isinstance(form, type) and issubclass(form, Modulation)):
        raise ValueError(  # noqa: TRY004 - the user can put it right
            f"form {name!r}: expected a subclass of Modulation, got {form!r}"
        )


def known_forms(named: Iterable[str]) -> Mapping[str, type[Modulation]]:
    """Return every registered form, and those among ``named`` that other installed packages bring.

    Raises:
        ValueError: What a package brings under such a name is no form.
    """
    for name in named:
        FORMS.discover(name)
        if name in FORMS:
            _check_form(name, FORMS[name])
    return FORMS


def build_modulation(site: Site) -> Modulation:
    """Return the form that the site's settings name, unset; frozen where ``initialization.trainable`` is false.

    Raises:
        ValueError: The form is unknown or does not fit the site.
    """
    modulation = FORMS.find(site.settings.form)(site)
    if not site.settings.initialization.trainable:
        modulation.requires_grad_(requires_grad=False)
    return modulation
