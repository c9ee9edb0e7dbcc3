"""Methods that multiply the loss of every task by a weight: one backward pass."""
