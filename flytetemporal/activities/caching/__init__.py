"""Cached outputs of task attempts."""
