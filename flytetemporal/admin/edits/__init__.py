"""Edits of running executions by operators. Flyte's API has none."""
