"""Packs as MLflow models: ``saving`` writes one, ``served`` is the code that MLflow runs to load and use it."""
