"""Hostile requests to a real server: every RPC over gRPC, every route over HTTP."""
