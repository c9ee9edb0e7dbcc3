"""What every other room builds on: the base class of sections, registries, seeds, random streams, files.

Imports no other room. Only what several rooms need belongs here.
"""
