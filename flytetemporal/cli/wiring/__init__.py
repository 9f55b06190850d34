"""Builds the objects of a process from its settings."""
