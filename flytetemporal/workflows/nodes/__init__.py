"""One module a node kind."""
