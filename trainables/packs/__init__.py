"""Trained networks in a folder, to be used without a study: a backbone once, and a small pack for each group of tasks.

``manifest`` describes the folder; ``tensor_files`` are named by the hash of their bytes; ``parts`` takes a state apart
by group and puts it together again; ``exporting`` and ``editing`` write; ``building`` and ``model`` read; ``images``
takes images in any form. Imports torch, but neither pandas nor what a study is run with. May import
``trainables.storage`` and below; nothing inside ``trainables`` imports it.
"""

from trainables.packs.editing import copy_tasks, remove_tasks
from trainables.packs.errors import PackError
from trainables.packs.model import RetrievalModel

__all__ = ["PackError", "RetrievalModel", "copy_tasks", "remove_tasks"]
