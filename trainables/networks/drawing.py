"""Which parts of a model may draw from the process's global random streams, as dropout does."""

from __future__ import annotations

from torch import nn

from trainables.networks.backbones.imported.backbone import ImportedBackbone

DRAWLESS = (
    nn.Conv2d,
    nn.Flatten,
    nn.Linear,
    nn.MaxPool2d,
    nn.ModuleDict,
    nn.ModuleList,
    nn.ParameterDict,
    nn.ParameterList,
    nn.ReLU,
    nn.Sequential,
)
"""The layers of torch that this package builds networks from; none of them draws."""

_HERE = __name__.partition(".")[0] + "."


def from_here(part: object) -> bool:
    """Whether a class, or that of a part, was written in this package, where all draws come from named generators."""
    return (part if isinstance(part, type) else type(part)).__module__.startswith(_HERE)


def is_imported(model: nn.Module) -> bool:
    """Whether a user's network is a part of the model."""
    return any(isinstance(module, ImportedBackbone) for module in model.modules())


def may_draw(model: nn.Module) -> bool:
    """Whether a pass through the model may draw from the global streams: unless all its parts are known not to."""
    return is_imported(model) or any(
        type(module) not in DRAWLESS and not from_here(module) for module in model.modules()
    )
