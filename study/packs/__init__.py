"""Exports a trained arm of a run as packs: which arm and seed, what the manifest says of it, and the writing.

``choice`` picks the arm; ``facts`` collects metrics, classes and provenance; ``exporting`` joins both with the kept
weights. What packs are is in ``trainables.packs``. May import ``study.storage`` and below.
"""
