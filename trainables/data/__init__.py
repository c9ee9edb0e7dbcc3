"""Images and labels: read or generated, decoded once, memory-mapped by all trials."""

from trainables.data.cache import prepare_dataset, prepared_manifest, refuse_unfit
from trainables.data.dataset import Dataset, Manifest, Split
from trainables.data.description import DatasetDescription, TaskCounts, describe_dataset
from trainables.data.duplicates import DuplicateImages
from trainables.data.identity import data_fingerprint, require_fingerprint
from trainables.sources.source import SPLITS, UNLABELLED

__all__ = [
    "SPLITS",
    "UNLABELLED",
    "Dataset",
    "DatasetDescription",
    "DuplicateImages",
    "Manifest",
    "Split",
    "TaskCounts",
    "data_fingerprint",
    "describe_dataset",
    "prepare_dataset",
    "prepared_manifest",
    "refuse_unfit",
    "require_fingerprint",
]
