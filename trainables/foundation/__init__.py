"""The base of all other packages: the base class of sections, registries, seeds, random streams, files.

Imports no other package. Only code that several packages need belongs here.
"""
