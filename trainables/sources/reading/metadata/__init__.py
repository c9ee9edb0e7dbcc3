"""Image files without their metadata: the part of a file that determines its pixels."""
