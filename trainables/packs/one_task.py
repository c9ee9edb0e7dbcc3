"""The network of one task as a module: a batch in, embeddings out."""

from __future__ import annotations

from torch import Tensor, nn

from trainables.networks.multi_task import MultiTaskModel


class OneTask(nn.Module):
    """Maps a batch ``(B, 3, H, W)``, preprocessed as the manifest says, to the embeddings ``(B, D)`` of a task."""

    def __init__(self, network: MultiTaskModel, task: str) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Embed the images."""
        return self.network.embed_tasks(images, (self.task,))[0]
