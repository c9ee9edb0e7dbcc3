"""The files of an index: its manifest, its segments of vectors, what joins them, and how they are scanned."""
