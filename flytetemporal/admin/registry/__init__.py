"""Registered entities: tasks, workflows, launch plans, their names and descriptions."""
