"""Several studies beside each other on the tasks they share. Two arms of one study: ``results.analysis.inference``.

Pure functions: they draw and write nothing.
"""
