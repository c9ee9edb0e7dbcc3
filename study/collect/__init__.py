"""From journals to tables.

May import ``study.schedule`` and below, and no sampler. To add a column, declare it in ``results.tables.schema`` and
fill it in ``rows``.
"""
