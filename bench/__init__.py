"""Measurements on the embedded stack, beside bare Temporal workflows in the same run. Prints figures, fails on none."""
