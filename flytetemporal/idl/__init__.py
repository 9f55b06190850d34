"""Pure functions over FlyteIDL messages."""
