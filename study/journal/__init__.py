"""The record of a trial: append-only journals, their events and failures, and the state derived from them.

May import ``study.definition`` and below. To add a kind of event, add its fields to ``events``, then what it means to
``history`` or ``state``. Every reader has to accept journals that lack the new event.
"""
