"""The fixture of this folder, which is in tests/fixtures."""

from tests.fixtures.pod_attempts import cluster

__all__ = ["cluster"]
