"""A first study file for a folder of images."""
