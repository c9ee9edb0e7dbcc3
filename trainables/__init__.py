"""What is trained: data, networks, modulation, losses, training, evaluation, storage ledger. No Ray, no MLflow."""
