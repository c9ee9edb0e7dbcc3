"""Which trial is trained next: designs, samplers, halving, dispatch. The only room that imports Optuna."""
