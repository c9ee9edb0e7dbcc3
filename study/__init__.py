"""The study itself: definition, plan, run, collect. The only package that imports the leaves."""
