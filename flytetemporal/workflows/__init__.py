"""Replayed code: the Temporal workflow that walks a Flyte graph."""
