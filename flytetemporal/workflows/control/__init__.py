"""The control plane's own workflows."""
