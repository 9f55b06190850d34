"""Uploads and downloads: signed links, and the HTTP routes that serve the links of a local store."""
