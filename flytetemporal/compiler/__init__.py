"""From workflow templates to compiled closures and to the graph the engine walks."""
