"""Images and labels in an object store: each node fetches them once, and reads them as a folder from then on."""
