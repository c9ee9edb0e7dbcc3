"""How good embeddings are: triplet accuracy and rank metrics of all tasks on one split.

``retrieval_metrics`` holds pure functions of distances and labels; ``measure`` embeds a split; ``evaluator`` keeps the
splits of a trial frozen. A new metric is a pure function here and an entry in ``results.tables.metrics``.
"""
