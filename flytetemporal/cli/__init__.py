"""Commands; the only place where objects are wired."""
