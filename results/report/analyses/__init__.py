"""Analyses over all arms in words: what matters, performance, storage.

Numbers come from ``results.analysis``. May import the modules of ``results.report`` that
word numbers and write Markdown.
"""
