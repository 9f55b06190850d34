"""Task plugins: what runs a task attempt."""
