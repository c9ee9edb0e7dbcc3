"""Backbones, modulation, the networks built from them, and their storage ledger.

May import ``data``, ``config`` and ``foundation``; knows no losses. New backbones go into ``backbones``, new forms of
modulation into ``modulation``.
"""
