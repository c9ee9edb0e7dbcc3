"""What is trained: data, networks, modulation, losses, training, evaluation, storage ledger. No Ray, no MLflow.

The names below load torch when they are first used, not when the package is imported. See docs/python.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
