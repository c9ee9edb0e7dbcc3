"""What is done, running, failed and left of a run, how long it takes, and what an older run folder contains.

Everything is derived from the journals. May import ``study.schedule`` and below, and no sampler. To add a figure, add
a field to ``status.StudyStatus``.
"""
