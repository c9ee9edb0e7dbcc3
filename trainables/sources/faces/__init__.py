"""Synthetic faces: the data set that ships with the project."""
