"""What trained networks show of themselves: gradients of tasks, modulation vectors, and what they retrieve."""
