"""Evaluates embeddings: triplet accuracy and rank metrics of all tasks on one split.

``ranking`` orders a gallery by distance; ``retrieval_metrics`` and ``triplet_accuracy`` are pure functions of
embeddings and labels or triplets; ``frozen`` chooses images and triplets, ``measure`` embeds and measures them, and
``evaluator`` keeps the splits of a trial frozen. To add a metric, add a pure function here and an entry in
``results.tables.metrics``.
"""
