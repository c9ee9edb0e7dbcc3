"""From a definition to what will be trained: arms, trials with their ids, cost, and checks before a run.

Trains nothing and imports torch only inside functions. May import ``study.run_folder`` and below. To add a check that
ends a run before it starts, add a function to ``checks``; one that only warns belongs in ``foresight``.
"""
