"""Adds modulation to your own network in a script or a notebook, with the classes that a study uses."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import nn

from trainables.config.modulation import ModulationConfig
from trainables.foundation.random_streams import random_stream
from trainables.foundation.registry import look_up
from trainables.networks.backbones.imported.backbone import ImportedBackbone
from trainables.networks.backbones.imported.loading import check_tensors
from trainables.networks.backbones.imported.probe import probe_network
from trainables.networks.retrieval import RetrievalNetwork


def insert_modulation(  # noqa: PLR0913 - three of the six are keyword-only settings of modulation
    network: nn.Module,
    points: Sequence[str],
    tasks: Sequence[str],
    image_size: int,
    *,
    modulation: ModulationConfig | None = None,
    seed: int = 0,
) -> RetrievalNetwork:
    """Return a network that embeds images for tasks: ``network`` with modulation after some of its modules.

    The network is used directly, not copied, and keeps its weights. It may be any module that maps images
    ``(B, 3, H, W)`` to a tensor ``(B, D)`` or ``(B, C, H, W)``, or to an object with ``pooler_output`` or
    ``last_hidden_state``. That output, averaged over positions if it has any, is the embedding.

    Args:
        network: On any device. Modulation is created on the CPU, so move the result to your device.
        points: Names of its modules (``named_modules``) after which modulation may be placed.
        tasks: Names of the tasks.
        image_size: Side of the square images, in pixels.
        modulation: Form, activation, initialization and groups. Its ``points`` are the modulated ones: names from
            ``points``, and ``embedding`` for the result; empty means all of ``points``. None means the form ``scale``
            initialized to ones with a ReLU, with separate vectors for each task.
        seed: Of the random initializations.

    Returns:
        A network with ``embed_tasks(images, tasks)`` and ``embed_mixed(images, task_index)``. ``backbone.staged`` is
        True if the part before the first modulated point runs once for all tasks.

    Raises:
        ValueError: If a point is not a module or does not output a map or vector, or the network cannot embed such
            images.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> model = insert_modulation(network, ["0", "2"], ["smile", "hat"], image_size=16)
        >>> tuple(model.embed_tasks(torch.zeros(5, 3, 16, 16)).shape)  # tasks, images, dimensions
        (2, 5, 4)
    """
    check_tensors(network)
    probe = probe_network(copy.deepcopy(network).to("meta"), points, image_size)
    backbone = ImportedBackbone(network, probe, lambda: copy.deepcopy(network))
    settings = modulation or ModulationConfig()
    settings = settings.model_copy(
        update={
            "points": settings.points or tuple(points),
            "groups": settings.groups or tuple((task,) for task in tasks),
        }
    )
    shapes = {shape.name: shape for shape in backbone.shapes}
    for point in settings.points:
        look_up("modulation.points", point, shapes)
    modulated = RetrievalNetwork(backbone, tasks, settings)
    for point, added in modulated.points().items():
        added.initialize(random_stream(seed, "modulation", point, "0"))
    return modulated
