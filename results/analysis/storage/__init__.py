"""What arms take to store and to run for a gallery of N images and T tasks, against their accuracy.

``arms`` is what is known of an arm in one format; ``break_even`` compares arms as the gallery grows; ``efficient``
picks those that no other beats. Pure functions: the forecasts and measurements are made in ``trainables.storage``.
"""
