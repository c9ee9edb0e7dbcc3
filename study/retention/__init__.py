"""What a run keeps on disk: the space it needs, and the weights and checkpoints that it removes.

May import ``study.plan`` and below. What is removed never changes a result: a trial that is asked for again trains
again, with the same numbers.
"""
