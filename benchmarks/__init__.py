"""Side-by-side measurements against named peers; each module is a command that prints a ratio."""
