"""A user's network as a backbone: staged if it is a chain through its points, otherwise run as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from trainables.foundation.global_stream import global_stream
from trainables.networks.backbones.backbone import AtPoint, Backbone
from trainables.networks.backbones.imported.chain import StageView
from trainables.networks.backbones.imported.probe import NetworkProbe, embedding_of, result_of

Maker = Callable[[], nn.Module]


class ImportedBackbone(Backbone):
    """Any network with modulation points at ends of its modules, and ``embedding``, its result, as the last one.

    Staged: the network is a chain through its points; ``stages`` are views of its modules. Not staged: ``run`` runs the
    network as a whole, and modulation is applied in hooks after the modules. Either way the network's own classes and
    code run, and its tensors keep their names, under ``network.``.
    """

    def __init__(self, network: nn.Module, probe: NetworkProbe, make: Maker) -> None:
        """Wrap a network.

        Args:
            network: On any device.
            probe: The probe of this network.
            make: Creates the network with its own initial values; only ``draw_parameters`` calls it.
        """
        super().__init__(_views(network, probe), probe.shapes)
        self.network = network
        self.staged = probe.chain is not None
        self._probe = probe
        self._make = make

    def run(self, images: Tensor, at_point: AtPoint) -> Tensor:
        """Map images ``(B, 3, H, W)`` to embeddings ``(B, D)``, with ``at_point`` applied to each stage's output."""
        if self.staged:
            return super().run(images, at_point)
        handles = [
            self.network.get_submodule(shape.name).register_forward_hook(_hook(shape.name, at_point))
            for shape in self.shapes
            if not self._is_result(shape.name)
        ]
        try:
            result = result_of(self.network(images))
        finally:
            for handle in handles:
                handle.remove()
        if result is None:  # the probe has seen a tensor for images of this size
            raise TypeError("the network no longer outputs a tensor")
        return at_point(self.shapes[-1].name, embedding_of(result))

    def draw_parameters(self, generator: torch.Generator) -> None:
        """Copy the initial values from the network's code, run with torch's global stream seeded from ``generator``.

        The global stream is restored. All parameters and buffers are copied, including those that are never saved.

        Raises:
            ValueError: If the code creates a different network than before.
        """
        seed = int(torch.randint(2**62, (), generator=generator))
        with global_stream(seed), torch.device("cpu"):
            drawn = _tensors(self._make())
        own = _tensors(self.network)
        if {name: tensor.shape for name, tensor in drawn.items()} != {name: t.shape for name, t in own.items()}:
            raise ValueError("network.backbone: the function creates a different network on each call")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(drawn[name])

    def tensors_from_file(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file, whose names are those of the network itself."""
        return {f"network.{name}": tensor for name, tensor in tensors.items()}

    def layers(self, stage: str) -> dict[str, nn.Module]:
        """Return the modules of a stage that have parameters and no submodules, by name, in execution order."""
        return {f"network.{name}": self.network.get_submodule(name) for name in self._probe.layers[stage]}

    def stage_parameters(self, stage: str) -> list[nn.Parameter]:
        """Return the parameters of a stage; those that never run belong to the last one."""
        return [parameter for module in self._owners(stage) for parameter in module.parameters(recurse=False)]

    def stage_buffers(self, stage: str) -> list[Tensor]:
        """Return the saved buffers of a stage; those that never run belong to the last one."""
        return [
            buffer
            for module in self._owners(stage)
            for name, buffer in module.named_buffers(recurse=False)
            if name not in module._non_persistent_buffers_set  # noqa: SLF001 - torch has no public API for it
        ]

    def _owners(self, stage: str) -> list[nn.Module]:
        return [self.network.get_submodule(name) for name in self._probe.owners[stage]]

    def _is_result(self, stage: str) -> bool:
        """Return whether the stage's output is the embedding, which ``run`` has at the end anyway."""
        return stage == self.shapes[-1].name


class Pool(nn.Module):
    """The mean over all positions."""

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C)``."""
        return embedding_of(features)


def _views(network: nn.Module, probe: NetworkProbe) -> dict[str, nn.Module]:
    """Return the stages of a chain; the last one also turns its map or its ``(B, C, 1, 1)`` into a vector."""
    if probe.chain is None:
        return {}
    views: dict[str, nn.Module] = {
        shape.name: StageView(network, steps) for shape, steps in zip(probe.shapes, probe.chain, strict=False)
    }
    last = probe.shapes[-1].name
    views[last] = nn.Sequential(views[last], Pool() if probe.pooled else nn.Flatten())
    return views


def _hook(name: str, at_point: AtPoint) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    return lambda _module, _inputs, output: at_point(name, output)


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}
