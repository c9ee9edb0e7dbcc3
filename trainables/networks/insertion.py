"""Modulation on a network of one's own, in a script or a notebook: the very classes that a study uses."""

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
    """Return a network that embeds images for tasks, made of ``network`` and modulation behind some of its modules.

    The network keeps its weights and is used, not copied. It may be any module that maps images ``(B, 3, H, W)`` to a
    tensor ``(B, D)`` or ``(B, C, H, W)``, or to an object with ``pooler_output`` or ``last_hidden_state``; that is the
    embedding, averaged over positions where it has any.

    Args:
        network: On any device; modulation is made on the CPU, so move the result where you want it.
        points: Names of its modules (``named_modules``) behind which modulation may sit.
        tasks: Names of the tasks.
        image_size: Side of the square images, in pixels.
        modulation: Form, activation, initialization and groups. Its ``points`` are the modulated ones: names out of
            ``points``, and ``embedding`` for the result; empty means all of ``points``. None is the form ``scale`` at
            ones with a ReLU, every task with vectors of its own.
        seed: Of the random initializations.

    Returns:
        A network with ``embed_tasks(images, tasks)`` and ``embed_mixed(images, task_index)``. ``backbone.staged`` says
        whether what lies before the first modulated point runs once for all tasks.

    Raises:
        ValueError: If a point is no module or gives no map or vector, or the network cannot embed such images.
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
