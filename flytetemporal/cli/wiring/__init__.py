"""Settings in, running objects out."""
