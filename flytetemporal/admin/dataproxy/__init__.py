"""Uploads and downloads: signed links, and the routes that serve them."""
