"""``run_elements``: attempts of elements of an array that share a process (docs/decisions/0019)."""
