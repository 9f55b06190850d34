"""The command line, and the only place where objects are wired."""
