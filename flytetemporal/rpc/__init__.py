"""Serve gRPC and HTTP from one registry of methods, and call admin from workers."""
