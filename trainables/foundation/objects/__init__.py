"""Object stores at fsspec URLs: how one is told from a path, opened and asked. No more than that."""
