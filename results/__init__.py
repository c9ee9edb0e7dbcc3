"""Results of a study: Parquet tables, selection, statistics, trade-off, figures, report. No torch, no Ray.

The names below load pandas and matplotlib when they are first used, not when the package is imported. See
docs/python.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
