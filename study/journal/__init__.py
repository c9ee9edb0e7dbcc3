"""The record of a trial: append-only journals, their events and failures, and the state derived from them.

May import ``study.definition`` and below. To add a kind of event, define its fields in ``events`` and its meaning in
``history`` or ``state``. All readers must accept journals without the new event.
"""
