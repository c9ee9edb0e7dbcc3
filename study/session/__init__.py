"""Operations on a study: find, preview, run and read it. ``study.study.Study`` combines them.

Only the progress listeners print. To add an operation for both notebooks and commands, add a function here that takes
a ``Target``, a method of ``Study`` that calls it, and a command that prints what the method returns.
"""
