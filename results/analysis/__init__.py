"""From tables to numbers: the selected trial of an arm, means and intervals over seeds, the trade-off.

Pure functions of data frames: they draw and write nothing. May import ``tables``.
"""
