"""From a study file to a ``StudyDefinition``: reading, validation, and messages with file, key, value and rule.

May import ``study.layout``, ``study.errors`` and the leaves. To add a section or a key, add a field to ``model``;
rules between sections are validators there. What an error is about goes through ``validation.error_context``.
"""
