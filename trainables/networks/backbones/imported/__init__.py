"""A user's network as a backbone: loaded, probed on the meta device, and run in stages if possible."""
