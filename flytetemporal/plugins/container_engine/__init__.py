"""Task containers, run by podman or docker on this machine."""
