"""The mirror of a run that is going on, in a process of its own: the driver pays neither time nor memory for it.

The driver starts it (``process``), never imports MLflow, and speaks with it (``child``) as ``protocol`` says. What the
child does is in ``passes``: it brings the store up to date, every few seconds and whenever it is asked.
"""
