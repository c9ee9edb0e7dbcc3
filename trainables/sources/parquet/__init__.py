"""Images in the Hugging Face Parquet layout."""
