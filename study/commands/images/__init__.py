"""``modstudy data``: the commands that look at images and labels."""
