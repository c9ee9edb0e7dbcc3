"""Where images and labels come from; one package per format.

Sources answer a ``ReadRequest`` and know neither the rest of a trial nor the cache. May import ``foundation``. To add
a format, add a package with a ``SourceConfig`` and an ``ImageSource``, and an entry in ``registry``; ``reading`` holds
what several formats share.
"""
