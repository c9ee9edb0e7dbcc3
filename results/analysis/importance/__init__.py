"""What matters: how much placement, form, initialization, grouping and nuisance values decide accuracy and bytes.

Pure functions of tables. The only room of ``results`` that imports Optuna and statsmodels, when a function is called.
May import ``inference`` and the modules of ``results.analysis`` below it.
"""
