"""Sign-in of a server process, built from settings."""
