"""The answer of a study in numbers: what modulation buys, how sure that is, and what it costs.

Pure functions of the summary and the confirmed results. ``results.report.answer`` puts them into words.
"""
