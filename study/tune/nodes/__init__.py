"""The nodes of a cluster: the wait for those to come, what fits into them, and whether they compute alike."""
