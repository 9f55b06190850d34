"""A real Kubernetes for tests and development, without Docker: built from Go modules, on loopback addresses only.

``python -m clusters build`` builds the programs once, into a cache outside of the checkout. ``api_server`` is enough
for everything that needs no running container. No part of the product imports this package.
"""
