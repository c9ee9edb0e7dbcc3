"""The report as one HTML page that works from disk: tables in, one typed object, one file out.

``build`` computes a ``PageData`` from the tables of a run (nothing is drawn there), ``render`` turns it into HTML. The
charts are drawn in the browser by Apache ECharts, which is embedded. May import every other room of ``results``.
"""
