"""``python -m study`` is ``modstudy``."""

from study.cli import main

main()
