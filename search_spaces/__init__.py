"""What may vary: factors, levels, nuisance ranges, named spaces. Imports none of the other packages; no torch, no Ray.

Levels are plain classes, written as in a study file::

    from search_spaces import Block, FloatRange, Placement, SearchSpace

A name loads what it needs when it is first used. To add a factor or a nuisance hyperparameter, see CONTRIBUTING.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
