"""Evaluates embeddings: triplet accuracy and rank metrics of all tasks on one split.

``retrieval_metrics`` contains pure functions of distances and labels; ``measure`` embeds a split; ``evaluator`` keeps
the splits of a trial frozen. To add a metric, add a pure function here and an entry in ``results.tables.metrics``.
"""
