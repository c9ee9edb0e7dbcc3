"""Which trials end before their last epoch: halving within a round, and comparison with cheaper arms.

Decisions are functions of objectives at rungs and of rounds that are over; none depends on timing, but for those of
``asynchronous``, which are therefore recorded when they are taken. May import
``study.schedule.units`` and below.
"""
