"""Compile workflow templates to closures, and closures to the graph that the engine walks. Pure."""
