"""Adds images to an index: where they come from, their vectors and thumbnails, and the segments that keep them."""
