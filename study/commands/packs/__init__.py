"""The commands that write and use packs. See docs/packs.md."""
