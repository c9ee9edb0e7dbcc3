"""What several formats read with: image files, pixels, text files, cells and splits."""
