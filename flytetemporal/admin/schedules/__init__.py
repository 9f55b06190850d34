"""Schedules of launch plans: their grammar, their Temporal Schedules, and the comparison of both."""
