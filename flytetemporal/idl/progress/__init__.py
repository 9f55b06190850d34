"""Merge events into the closures that clients read."""
