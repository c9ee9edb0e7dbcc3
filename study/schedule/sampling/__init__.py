"""Points of a round, proposed by a sampler of Optuna from what earlier rounds have found."""
