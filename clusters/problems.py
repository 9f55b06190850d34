"""The error of this package."""


class ClusterError(RuntimeError):
    """What is missing or failed, and what to do, in one sentence."""
