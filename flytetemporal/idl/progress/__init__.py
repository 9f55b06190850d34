"""Merge events into the closures that clients read: ``record`` as Flyte does, ``advance`` in any order. Pure."""
