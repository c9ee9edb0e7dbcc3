"""The storage analysis of a run: measures kept weights at precisions, and joins what arms take with their accuracy.

``request`` is what the user asks. ``measured`` keeps what was measured beside the run, so that no trial is measured
twice. ``arms`` joins forecasts, measurements and tables. May import ``study.collect`` and below.
"""
