"""The data of the figures, computed once for the HTML page and for the image files.

Pure functions of tables and of the summary: they draw and write nothing.
"""
