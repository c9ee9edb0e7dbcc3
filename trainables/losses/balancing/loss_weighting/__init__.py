"""Methods that multiply the loss of every task with a weight: one backward pass. Each registers itself."""

from trainables.losses.balancing.loss_weighting import dwa, equal, famo, gradnorm, rlw, uncertainty  # noqa: F401
