"""The report of a study: sections, wording and the Markdown file.

The top of the package: may import every other room.
"""
