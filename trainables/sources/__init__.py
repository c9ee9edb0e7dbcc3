"""Where images and labels come from, one room a format.

Sources answer a ``ReadRequest`` and know neither the rest of a trial nor the cache. May import ``foundation``. A new
format is a room with a ``SourceConfig`` and an ``ImageSource``, and an entry in ``registry``; ``reading`` holds what
several formats share.
"""
