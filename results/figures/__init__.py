"""From numbers to matplotlib figures.

Draws what ``analysis`` computed, and computes no result itself. May import ``analysis`` and ``tables``.
"""
