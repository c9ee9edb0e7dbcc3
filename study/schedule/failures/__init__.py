"""What becomes of a failed trial: tries that are left, arms that are stopped, journals that a lost worker left open.

A new kind of failure is a name in ``results.tables.schema.FAILURE_KINDS``, a limit in ``RetriesSection``, and a line in
docs/interruptions.md.
"""
