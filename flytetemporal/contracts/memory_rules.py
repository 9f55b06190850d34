"""Which rule raises the memory of a task. The engine counts the steps, and the activity computes the sizes. Pure."""

from collections.abc import Iterable

from flytetemporal.contracts.v1 import execution_pb2


def applying(rules: Iterable[execution_pb2.MemoryRule], task: str) -> execution_pb2.MemoryRule | None:
    """Return the first rule that matches the task of this name, None if none does."""
    return next((rule for rule in rules if rule.task in ("", task)), None)
