"""What every room builds on: configuration base class, registries, seeds and files. Imports no other room."""
