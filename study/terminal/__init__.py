"""Output for a terminal: lines, tables, durations, and live progress."""
