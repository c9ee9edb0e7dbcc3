"""What each command does, imported only when the command is called, so that ``modstudy --help`` is quick.

May import every other room. To add a command, add a module here and a function with its options to ``study.cli``.
"""
