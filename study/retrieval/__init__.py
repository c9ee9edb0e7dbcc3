"""Indexes a user's images and searches them: the rules of ``modstudy index`` and ``modstudy retrieve``.

What an index is, is in ``trainables.index``; this room says which index a command means, names what is wrong in the
words of the command line, and draws what was found. Imports neither Ray nor MLflow. May import ``study.terminal`` and
below.
"""
