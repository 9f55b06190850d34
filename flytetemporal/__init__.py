"""Runs unchanged Flyte v1 workflows on Temporal."""
