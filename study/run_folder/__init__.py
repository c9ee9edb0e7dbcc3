"""A run's folder: its plan file, which study it belongs to, and which process drives it.

May import ``study.journal`` and below. To add a file, add its path to ``study.layout.RunFolder`` and a line to the
table in docs/interruptions.md, and rebuild it where it is damaged.
"""
