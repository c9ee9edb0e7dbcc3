"""Locks of files that several processes use, on whatever storage they are.

``lock.locked`` is the only way to one: ``flock`` where it is known to hold among all nodes that see the file, else a
lease (``lease``) whose records are files (``folder_store``). ``file_systems`` says which storage is which, ``process``
whether a holder of this machine is gone.
"""
