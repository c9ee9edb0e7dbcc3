"""``search.mode: explore``: a sampler proposes arms and their nuisance values together, in rounds.

``genes`` says what is proposed, ``sampler`` asks Optuna, ``proposing`` makes a round of it, ``design`` says what may
run. A round depends only on rounds that are over, so results do not depend on timing. Only ``sampler`` imports Optuna,
and only ``study.schedule.drawing``, used by the driver of a run, imports ``proposing``; readers take rounds from the
record.
"""
