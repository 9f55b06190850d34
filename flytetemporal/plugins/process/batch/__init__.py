"""Batches: attempts of elements of a map task that share a process, one after another (docs/decisions/0019)."""
