"""Backbones, modulation, the networks built from them, and their storage ledger."""
