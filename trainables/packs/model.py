"""A trained retrieval network from a folder of packs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from trainables.data.preprocessing import to_network_input
from trainables.evaluation.measure import ACCELERATOR_CHUNK_PIXELS, CHUNK_PIXELS
from trainables.foundation.global_stream import global_stream
from trainables.foundation.seeds import named_seed
from trainables.networks.multi_task import MultiTaskModel
from trainables.packs.building import only, restored
from trainables.packs.errors import PackError
from trainables.packs.images import Images, pixels_of
from trainables.packs.manifest import MANIFEST, PackedModel, read_manifest
from trainables.packs.one_task import OneTask


class RetrievalModel:
    """Embeds images so that those which are alike for a task are near each other.

    Attributes:
        packed: What the manifest says: tasks with their classes, metrics, provenance.
    """

    def __init__(self, network: MultiTaskModel, packed: PackedModel, folder: Path) -> None:
        self.packed = packed
        self._network = network
        self._folder = folder

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        model: str | None = None,
        tasks: Sequence[str] | None = None,
        device: str | torch.device = "cpu",
        run_code: bool = False,
    ) -> Self:
        """Return a network of a folder that ``modstudy export`` wrote; reads only what the tasks need.

        Args:
            folder: The folder.
            model: Name of the network; needed only if there are several.
            tasks: Those to load; None means all.
            device: On which it computes.
            run_code: Whether a network that a study imported (``network.backbone: module:function``) may be imported,
                which runs its code.

        Raises:
            PackError: A file of the folder breaks a rule, or a name is unknown; in one line.
        """
        place = Path(folder).expanduser()
        _, packed = read_manifest(place).model(model, place)
        if packed.network.imported and not run_code:
            raise PackError(
                f"{place / MANIFEST}: network.backbone: {packed.network.backbone!r} is code to be imported; if you"
                " trust it, and it is installed: run_code=True, or --run-code with modstudy index and retrieve"
            )
        chosen = only(packed, packed.tasks if tasks is None else tasks, place)
        return cls(restored(chosen, place).to(device), chosen, place)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that are loaded."""
        return self.packed.tasks

    @property
    def embedding_size(self) -> int:
        """D, the length of an embedding."""
        return self._network.embedding_size

    def embed(self, images: Images, task: str) -> Tensor:
        """Return the embeddings of images for one task, fp32 ``(N, D)`` on the CPU: unit vectors, as a rule.

        Whether they are unit vectors is ``packed.normalize``; then the product of two is their similarity.

        Args:
            images: One image or any iterable of images: paths, images of Pillow, arrays, tensors; see ``images``.
            task: Name of the task.

        Raises:
            PackError: The task is unknown, or an image cannot be used.
        """
        only(self.packed, [task], self._folder)  # names the nearest task
        return self._embed(images, (task,))[0]

    def embed_all(self, images: Images) -> dict[str, Tensor]:
        """Return the embeddings ``(N, D)`` of images by task; what tasks share is computed once per image.

        Raises:
            PackError: An image cannot be used.
        """
        return dict(zip(self.tasks, self._embed(images, self.tasks), strict=True))

    @property
    def network(self) -> MultiTaskModel:
        """The network itself, in evaluation mode."""
        return self._network

    def folded(self, task: str) -> nn.Sequential:
        """Return a plain network of torch for one task, with what tells it from the others folded into the weights.

        It maps a batch ``(B, 3, S, S)``, preprocessed as ``packed.images`` says, to embeddings ``(B, D)``, on the CPU.
        Equal to ``embed`` but for rounding (1e-5). Forms that change the layers of a stage fold in every network; those
        that change its output (``scale``, ``scale_shift``, ``projection``, ``low_rank``) fold into the next or the last
        layers of ``simplenet`` and ``csn_resnet18`` where these are linear; ``squeeze_excite`` does not.

        Raises:
            PackError: The task is unknown, or no weights do the same; names stage, form and reason.
        """
        from trainables.packs.folding import folded_network

        alone = only(self.packed, [task], self._folder)
        return folded_network(restored(alone, self._folder), task, normalized=alone.normalize)

    def to_onnx(self, task: str, path: str | Path) -> Path:
        """Write the network of a task as an ONNX file, checked against torch in onnxruntime; needs the extra ``onnx``.

        Its input ``images`` is a batch of any length, preprocessed as its metadata say; its output is ``embeddings``.
        Returns the file.

        Raises:
            PackError: The task is unknown, a package is missing, or the network has no ONNX form that gives the same
                embeddings to 1e-5.
        """
        from trainables.packs.onnx_file import write_onnx

        place = Path(path).expanduser()
        alone = only(self.packed, [task], self._folder)
        write_onnx(place, OneTask(restored(alone, self._folder), task), task, alone)
        return place

    def _embed(self, images: Images, tasks: Sequence[str]) -> Tensor:
        """Return fp32 ``(T, N, D)``, computed chunk by chunk as in evaluation."""
        pixels = pixels_of(images, self.packed.images)
        found = self.computed(pixels, lambda batch: self._network.embed_tasks(batch, tasks))
        return torch.cat([torch.empty(len(tasks), 0, self.embedding_size), *found], dim=1)

    def computed(self, pixels: Iterator[np.ndarray], compute: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return what the network gives for pixels (S, S, 3), fp32 on the CPU, chunk by chunk as in evaluation.

        Args:
            pixels: As ``pixels_of`` yields them.
            compute: Is given batches ``(B, 3, S, S)``.
        """
        found = []
        settings = self.packed.images
        device = next(iter(self._network.parameters())).device
        most = CHUNK_PIXELS.get(device.type, ACCELERATOR_CHUNK_PIXELS) // settings.size**2
        drawn = global_stream(named_seed(0, "evaluation", "test"), device)  # for networks that also draw in this mode
        with torch.inference_mode(), drawn:
            for chunk in _chunks(pixels, max(1, most)):
                batch = to_network_input(chunk, device, self.packed.channels_last, settings.preprocessing)
                found.append(compute(batch).float().cpu())
        return [part.clone() for part in found]

    def __repr__(self) -> str:
        """Return one line."""
        return f"<retrieval model: tasks {', '.join(self.tasks)}; {self.embedding_size} numbers; from {self._folder}>"


def _chunks(pixels: Iterator[np.ndarray], most: int) -> Iterator[np.ndarray]:
    while chunk := list(islice(pixels, most)):
        yield np.stack(chunk)
