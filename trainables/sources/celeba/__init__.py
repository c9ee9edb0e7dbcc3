"""CelebA as downloaded."""
