"""What a reader meets on MLflow's own pages: short labels of arms, ready-made views, and a note with links to them.

Nothing here talks to a store: every function turns what is known of a study into text.
"""
