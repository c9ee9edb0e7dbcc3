"""A run's folder: its plan file, whose study it holds, and which process drives it."""
