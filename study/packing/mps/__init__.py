"""NVIDIA's Multi-Process Service on one node: its daemon is started for a run, and ended with it whatever happens.

``control`` talks to NVIDIA's control program, ``service`` starts and ends the daemon, and ``watchdog`` is the process
that ends it when the process that started it has been killed. Imports nothing of the study but files.
"""
