"""Methods that multiply the loss of every task with a weight: one backward pass."""
