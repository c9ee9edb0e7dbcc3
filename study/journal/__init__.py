"""The history of a trial: append-only journals, their events and failures."""
