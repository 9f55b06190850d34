"""Warm parents: processes that have imported a task's code and run nothing. Attempts are forks of them."""
