"""Folds what tells a task from the others into the weights of the backbone, where that gives the same embeddings.

``inside`` folds forms that change layers, ``outputs`` forms that change the output of a stage, with ``places`` naming
the layers around a stage; ``network`` does all points of a network.
"""

from trainables.packs.folding.network import folded_network

__all__ = ["folded_network"]
