"""A trial's view of validation and test: each split is frozen when it is first asked for, and not touched before."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.data import Dataset
from trainables.evaluation.measure import FrozenSplit, embed_split, freeze_split, retrieval_metrics, triplet_metrics
from trainables.evaluation.retrieval_metrics import TRIPLET_ACCURACY
from trainables.networks.multi_task import MultiTaskModel
from trainables.outcome import TaskMetric, mean_over_tasks, select
from trainables.sampling.triplets import TripletStore
from trainables.training.learner import DivergedError

VALIDATION = "validation"


class SplitEvaluator:
    """Embeds a split and measures it. The frozen triplets lie in the cache, for all trials on the node."""

    def __init__(self, config: TrialConfig, dataset: Dataset, cache: Path) -> None:
        self._config = config
        self._dataset = dataset
        self._store = TripletStore(cache / "triplets" / dataset.fingerprint, config.data_seed)
        self._frozen: dict[str, FrozenSplit] = {}

    def embed(self, model: MultiTaskModel, split: str) -> Tensor:
        """Return the embeddings (T, M, D) of a split.

        Raises:
            DivergedError: one of them is not finite.
        """
        embeddings = embed_split(model, self.freeze(split), self._config.compute, self._config.data.preprocessing)
        if not embeddings.isfinite().all():
            raise DivergedError(f"embeddings of the {split} images are not finite: a lower learning rate may help")
        return embeddings

    def epoch_metrics(self, embeddings: Tensor) -> dict[str, float]:
        """Return the validation part of an epoch's metrics, from the embeddings of that split."""
        found = triplet_metrics(embeddings, self.freeze(VALIDATION))
        by_task = select(found, VALIDATION, TRIPLET_ACCURACY)
        return {
            f"{VALIDATION}/{TRIPLET_ACCURACY}": mean_over_tasks(found, VALIDATION, TRIPLET_ACCURACY),
            **{f"{VALIDATION}/{row.task}/{TRIPLET_ACCURACY}": row.value for row in by_task},
        }

    def task_metrics(self, embeddings: Tensor, split: str) -> tuple[TaskMetric, ...]:
        """Return every metric of every task on a split, from its embeddings."""
        frozen = self.freeze(split)
        return (*triplet_metrics(embeddings, frozen), *retrieval_metrics(embeddings, frozen))

    def freeze(self, split: str) -> FrozenSplit:
        """Return the images and triplets on which a split is measured."""
        if split not in self._frozen:
            self._frozen[split] = freeze_split(
                self._dataset.splits[split], split, self._config.data.tasks, self._config.evaluation, self._store
            )
        return self._frozen[split]
