"""The only room that imports MLflow: where the store is, how runs are named there, and the mirror itself.

Derived from journals and tables, so a store that is down loses nothing. May import ``study.run_folder`` and below. To
add a parameter or a metric, add it to ``content``.
"""
