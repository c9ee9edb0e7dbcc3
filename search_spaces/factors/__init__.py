"""The factors of a study: the levels of each factor, and how they resolve for given stages and tasks."""
