"""The factors of a study: what a level of each may be, and what it means on known stages and tasks."""
