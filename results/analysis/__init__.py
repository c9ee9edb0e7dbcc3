"""From tables to numbers: which trial an arm is judged by, its mean and interval, and the trade-off.

Pure functions of data frames: they draw and write nothing. May import ``results.tables``.
"""
