"""The Parquet tables: schema, metrics with their direction, and the store. Imports no other room."""
