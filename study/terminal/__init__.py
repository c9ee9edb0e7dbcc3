"""Terminal output: lines, tables, durations and live progress.

May import ``study.status`` and below. To add a kind of output, add a function to ``display``, which escapes text and
fits it to the terminal width.
"""
