"""What one can do with a study: find it, preview it, run it, read it. ``study.study.Study`` puts it together.

Nothing here prints. To add something that both notebooks and commands can do, add a function of ``Target`` here, a
method of ``Study``, and a command that prints what the method returns.
"""
