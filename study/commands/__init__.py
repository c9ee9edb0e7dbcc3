"""What each command does. Imported only when the command is called, so that ``modstudy --help`` is quick."""
