"""Tasks as local processes, forked from a server that has flytekit loaded."""
