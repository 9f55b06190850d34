"""Artifacts: named outputs of tasks and workflows, recorded when a run produces them, and queried at launches."""
