"""Studies of task-specific modulation: define, plan, run, read.

``from study import Study`` is all that a notebook needs; see docs/python.md. Names load what they need when they are
first used, so importing the package is quick. The packages below it are leaves: none of them imports this one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
