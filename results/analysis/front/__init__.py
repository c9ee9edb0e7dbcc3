"""The front of accuracy against a cost with its uncertainty: probabilities, band, hypervolume, cheapest good arm.

Pure functions. May import ``inference`` and the modules of ``results.analysis`` below it.
"""
