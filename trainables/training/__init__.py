"""A model in training: steps, epochs, checkpoints and weights."""
