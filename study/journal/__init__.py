"""What happened to a trial: append-only journals, their events and failures."""
