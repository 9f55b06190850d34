"""Serving and calling gRPC and HTTP."""
