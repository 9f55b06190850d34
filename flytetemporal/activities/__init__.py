"""The activities of the engine: run tasks, move data, report events. Nothing here decides what runs next."""
