"""What came out: Parquet schema, store, selection, statistics, trade-off, figures, report. No torch, no Ray."""
