"""From a study file to a ``StudyDefinition``: reading, validation, and messages with file, key, value and rule."""
