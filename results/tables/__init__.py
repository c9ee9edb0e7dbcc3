"""The Parquet tables: schema, metrics with their direction, and the store.

Imports no other room. A new column is an entry in ``schema``; see "Version numbers" in CONTRIBUTING.md.
"""
