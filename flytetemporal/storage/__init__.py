"""The object store, and links to its objects."""
