"""Bounds on what one workflow task does and sends, and on what a run keeps in memory."""
