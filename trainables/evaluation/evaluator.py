"""A trial's view of validation and test: each split is frozen on first use and not touched before."""

from __future__ import annotations

from torch import Tensor

from trainables.config.evaluation import EvaluationConfig
from trainables.config.runtime import ComputeConfig
from trainables.data import Dataset
from trainables.data.on_device import all_on_device, belongs_there
from trainables.data.preprocessing import Preprocessing
from trainables.evaluation.frozen import FrozenSplit, freeze_split
from trainables.evaluation.measure import embed_split, measured, triplet_metrics
from trainables.evaluation.triplet_accuracy import TRIPLET_ACCURACY
from trainables.failures import DivergedError
from trainables.networks.multi_task import MultiTaskModel
from trainables.outcome import TaskMetric, mean_over_tasks, select
from trainables.sampling.triplet_store import TripletStore

VALIDATION = "validation"


class SplitEvaluator:
    """Embeds a split and measures it."""

    def __init__(
        self,
        dataset: Dataset,
        settings: EvaluationConfig,
        store: TripletStore,
        compute: ComputeConfig,
        preprocessing: Preprocessing,
    ) -> None:
        """Measure splits of a data set.

        Args:
            dataset: all its splits.
            settings: number of images and triplets.
            store: the frozen triplets, shared by all trials on the node.
            compute: precision and memory layout.
            preprocessing: converts pixels to the network's input.
        """
        self._settings = settings
        self._compute = compute
        self._preprocessing: Preprocessing = preprocessing
        self._dataset = dataset
        self._store = store
        self._frozen: dict[str, FrozenSplit] = {}
        self._pixels: dict[str, Tensor | None] = {}

    def embed(self, model: MultiTaskModel, split: str) -> Tensor:
        """Return the embeddings (T, M, D) of a split.

        Raises:
            DivergedError: an embedding is not finite.
        """
        frozen = self.freeze(split)
        embeddings = embed_split(model, frozen, self._compute, self._preprocessing, self._pixels_of(frozen, model))
        if not embeddings.isfinite().all():
            raise DivergedError(f"embeddings of the {split} images are not finite: a lower learning rate may help")
        return embeddings

    def epoch_metrics(self, embeddings: Tensor) -> dict[str, float]:
        """Return the validation metrics of an epoch, from the embeddings of that split."""
        found = triplet_metrics(embeddings, self.freeze(VALIDATION))
        by_task = select(found, VALIDATION, TRIPLET_ACCURACY)
        return {
            f"{VALIDATION}/{TRIPLET_ACCURACY}": mean_over_tasks(found, VALIDATION, TRIPLET_ACCURACY),
            **{f"{VALIDATION}/{row.task}/{TRIPLET_ACCURACY}": row.value for row in by_task},
        }

    def task_metrics(self, embeddings: Tensor, split: str, only: str | None = None) -> tuple[TaskMetric, ...]:
        """Return all metrics of all tasks on a split, from its embeddings; or one metric alone."""
        return measured(embeddings, self.freeze(split), only)

    def freeze(self, split: str) -> FrozenSplit:
        """Return the images and triplets used to evaluate a split."""
        if split not in self._frozen:
            self._frozen[split] = freeze_split(
                self._dataset.splits[split], split, self._dataset.tasks, self._settings, self._store
            )
        return self._frozen[split]

    def _pixels_of(self, split: FrozenSplit, model: MultiTaskModel) -> Tensor | None:
        """Return the validation images on an accelerator, where they stay from epoch to epoch if they fit."""
        device = next(model.parameters()).device
        if split.name != VALIDATION or device.type == "cpu":
            return None
        if split.name not in self._pixels:
            size = split.images[:1].nbytes * len(split.rows)
            there = belongs_there(size, self._compute.data_on_device, device)
            self._pixels[split.name] = all_on_device(split.images[split.rows], device) if there else None
        return self._pixels[split.name]
