"""Where trials run in parallel. The only room that imports Ray."""
