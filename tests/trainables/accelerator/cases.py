"""Every kind of training step that the product has, as sections of a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from trainables.config.network import NetworkConfig
from trainables.config.training import BatchConfig, OptimizationConfig
from trainables.losses.balancing import BALANCERS
from trainables.networks.backbones import BACKBONES as REGISTERED
from trainables.networks.backbones import stage_shapes
from trainables.networks.modulation import ACTIVATIONS, FORMS

Sections = dict[str, Any]

HERE = str(Path(__file__).parent)
PAIRED = (("colour", "size"), ("shape",))
"""Groups whose rows lie apart in a batch."""

IMPORTED = {"folder": HERE, "points": ("first", "second"), "width": 1.0, "batch_norm_momentum": None}
TRIPLETS = {"scheme": "triplets", "batch_size": 18}
SEPARATE = {"scheme": "triplets", "batch_size": 36, "passes": "separate"}
"""Batch norm of two images is chaotic, so that each pass has at least four of every network."""

OF_FORMS = {form: {"modulation": {"points": ("res5", "fc"), "form": form}} for form in FORMS}
OF_METHODS: dict[str, Sections] = {method: {"balancing": {"method": method}} for method in BALANCERS}


def last_stages(backbone: str) -> tuple[str, ...]:
    """The last two stages of a registered backbone."""
    return tuple(shape.name for shape in stage_shapes(NetworkConfig(backbone=backbone, width=0.125), 48)[-2:])


def others_of(section: type[Any], setting: str) -> list[str]:
    """The values of a setting besides its default, which is that of all other cases."""
    field = section.model_fields[setting]
    return [value for value in get_args(field.annotation) if value != field.default]


BACKBONES: dict[str, Sections] = {
    **{
        name: {"network": {"backbone": name}, "modulation": {"points": last_stages(name)}}
        for name in REGISTERED
        if name != NetworkConfig().backbone
    },
    **{
        name: {
            "network": IMPORTED | {"backbone": f"own_networks:{name}"},
            "modulation": {"points": ("first", "second")},
        }
        for name in ("NormsWithoutScale", "FunctionalNorms")
    },
}

SCHEMES: dict[str, Sections] = {
    "triplets": {"batches": TRIPLETS},
    "triplets, separate passes": {"batches": SEPARATE},
    "released": {"batches": {"scheme": "released", "batch_size": 18}},
    "networks": {"network_groups": PAIRED},
    "networks, triplets": {"network_groups": PAIRED, "batches": TRIPLETS},
    "networks, triplets, separate passes": {
        "network_groups": PAIRED,
        "batches": SEPARATE,
        "loss": {"embedding_l2": 5e-3},
    },
    "groups, triplets": {
        "modulation": {"points": ("res5",), "form": "projection", "groups": PAIRED},
        "batches": TRIPLETS,
    },
}

LOSSES: dict[str, Sections] = {
    "of few active triplets": {"loss": {"margin": 0.2}},
    "squared": {"loss": {"normalize": False}},
    "euclidean": {"loss": {"distance": "euclidean", "normalize": False}},
    "euclidean, triplets": {"loss": {"distance": "euclidean", "normalize": False}, "batches": TRIPLETS},
    **{f"{rule} negatives": {"batches": {"negatives": rule}} for rule in others_of(BatchConfig, "negatives")},
    "penalties": {"loss": {"embedding_l2": 5e-3, "mask_l1": 5e-4}},
    "penalties, networks": {"loss": {"embedding_l2": 5e-3, "mask_l1": 5e-4}, "network_groups": PAIRED},
    "penalties, separate passes": {
        "loss": {"embedding_l2": 5e-3, "mask_l1": 5e-4},
        "batches": SEPARATE,
    },
}

OTHERS: dict[str, Sections] = {
    **{
        f"optimizer {name}": {"optimization": {"optimizer": name}}
        for name in get_args(OptimizationConfig.model_fields["optimizer"].annotation)
    },
    "rate of the form's own": {"modulation": {"rate_factor": 3.0}},
    "balanced classes": {"batches": {"classes": "balanced"}},
    **{f"activation {name}": {"modulation": {"activation": name}} for name in ACTIVATIONS},
    **{f"preprocessing {name}": {"data": {"preprocessing": name}} for name in ("released", "imagenet")},
    "augmentation": {"augmentation": {"flip": True, "crop": 3}},
    "contiguous": {"compute": {"channels_last": False}},
    "frozen": {"modulation": {"initialization": {"kind": "binary", "trainable": False}}},
    "no modulation": {"modulation": {"points": ()}},
}

CASES: dict[str, Sections] = {
    **{f"form {form}": sections for form, sections in OF_FORMS.items()},
    **{
        f"form {form}, groups apart": {
            "modulation": {**sections["modulation"], "groups": PAIRED},
            "batches": TRIPLETS,
        }
        for form, sections in OF_FORMS.items()
    },
    **{f"balancing {method}": sections for method, sections in OF_METHODS.items()},
    **{f"backbone {name}": sections for name, sections in BACKBONES.items()},
    **{f"scheme {name}": sections for name, sections in SCHEMES.items()},
    **{f"loss {name}": sections for name, sections in LOSSES.items()},
    **OTHERS,
}
