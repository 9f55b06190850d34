"""Forks: executions that reuse what succeeded in another execution, by reference, and run the rest again."""
