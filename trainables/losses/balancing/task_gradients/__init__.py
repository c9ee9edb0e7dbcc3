"""Methods that combine the gradients of the tasks: a backward pass for each task."""
