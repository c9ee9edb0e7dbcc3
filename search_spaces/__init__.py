"""What a study may vary: factors, levels, nuisance ranges and named spaces.

Imports no other package of the project, and neither torch nor Ray. Levels are plain classes, written as in a study
file::

    from search_spaces import Block, FloatRange, Placement, SearchSpace

Names are loaded lazily, on first use. To add a factor or a nuisance hyperparameter, see CONTRIBUTING.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
