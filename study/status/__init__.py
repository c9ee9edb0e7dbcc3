"""What is done, what runs, what failed, how much is left, and what an older run folder holds."""
