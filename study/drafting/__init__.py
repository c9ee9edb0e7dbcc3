"""A first study file for a folder of images.

May import ``study.plan`` and below. To recognise another layout of images, add it to ``image_places``.
"""
