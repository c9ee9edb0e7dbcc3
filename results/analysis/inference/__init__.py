"""What confirm trials say about arms, tasks and other seeds: comparisons, aggregates, sources of variation.

Pure functions of ``Scores`` (arms x seeds x tasks) or of tables. May import ``results.analysis`` modules below it.
"""
