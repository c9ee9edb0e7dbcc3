"""From numbers to matplotlib figures. May import ``results.analysis`` and ``results.tables``; computes nothing."""
