"""Image files without their metadata: what of a file decides its pixels."""
