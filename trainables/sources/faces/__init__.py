"""Drawn faces: the data set that comes with the project."""
