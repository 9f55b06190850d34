"""The events of a run: when they happened, and how they are sent to admin."""
