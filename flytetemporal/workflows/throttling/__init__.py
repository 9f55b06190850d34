"""Bounds on what one workflow task does, sends and keeps in memory."""
