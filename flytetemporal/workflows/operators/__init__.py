"""What operators change in a run while it runs."""
