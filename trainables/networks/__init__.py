"""Backbones, modulation, the networks built from them, and their storage ledger.

May import ``data``, ``config`` and ``foundation``, but not losses. Add backbones to ``backbones`` and forms of
modulation to ``modulation``.
"""
