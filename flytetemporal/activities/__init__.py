"""What the engine does to the world: run tasks, move data, report events."""
