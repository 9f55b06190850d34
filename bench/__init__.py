"""Measurements on the embedded stack, next to bare Temporal workflows in the same run. No figure fails the bench."""
