"""Packs as MLflow models: ``saving`` writes one, ``served`` is the code that MLflow runs to load and use it.

``replacing`` puts a new one in the place of an old one.
"""
