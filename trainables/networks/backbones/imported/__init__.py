"""A network of the user's own as a backbone: loaded, probed on the meta device, and run in stages where it can be."""
