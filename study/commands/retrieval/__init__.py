"""``modstudy index`` and ``modstudy retrieve``."""
