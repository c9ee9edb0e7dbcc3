"""Which images make up a training step, and which triplets evaluate a task."""
