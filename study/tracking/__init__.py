"""The only room that imports MLflow: where the store is, how runs are named there, and the mirror itself.

Derived from journals and tables, so a store that is down loses nothing. During a run the mirror is a process of its own
(``background``). May import ``study.run_folder`` and below. To add a parameter or a metric, add it to ``content``.
"""
