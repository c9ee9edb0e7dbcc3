"""Readers shared by several formats: image files, pixels, text files, cells and splits."""
