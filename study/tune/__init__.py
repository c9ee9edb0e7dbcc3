"""Where trials run in parallel. The only room that imports Ray.

``runner`` starts Tune, ``searcher`` hands it the units of ``study.schedule``, ``execution`` is what a worker does,
without Ray. May import ``study.schedule`` and below. To run trials elsewhere than on Ray, call ``execution.execute``
with the dispatcher's work orders, as tests/study does.
"""
