"""Backfills: launch the times of a launch plan's schedule in a range that has passed. Flyte's API has none of it."""
