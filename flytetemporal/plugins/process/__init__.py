"""Tasks as local processes, forked from a warm parent."""
