"""One pass over a run folder: what the store lacks is made, filled and ended, with few requests.

Of the study and its arms ``mirroring`` sees to it, of trials ``trials``, of tables and report ``results``; they write
through ``writing``. ``known`` is what the store holds already, ``changes`` which journals have changed since.
"""
