"""Where a study is stored: in a folder, or in an object store at an fsspec URL.

Object stores cannot append, rename or lock. All that is asked of one is in ``store.Store``: objects are written whole,
are readable once written, and can be created only where there is none. Everything else rests on that: journals are
numbered immutable segments (``segments``), leases numbered records (``trainables.foundation.locks.lease``), and a run
works in a local copy whose files are put to the store as they are committed (``working_copy``). A run in a folder uses
none of it.
"""
