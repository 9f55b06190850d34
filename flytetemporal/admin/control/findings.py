"""The findings of the sweeper: each repair is one log line and one count."""

from collections import Counter

import structlog
from flyteidl.core import identifier_pb2
from prometheus_client import Counter as Metric

from flytetemporal.idl import identifiers

FOUND = Metric("flytetemporal_sweeper_findings", "What the sweeper found and repaired.", ["finding"])

_log = structlog.get_logger(__name__)


class Findings:
    """Counts the repairs of one round of the sweeper."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(
        self, finding: str, execution_id: identifier_pb2.WorkflowExecutionIdentifier | None = None, **details: object
    ) -> None:
        """Log and count a repair. docs/operations.md lists the values of ``finding``."""
        self.counts[finding] += 1
        FOUND.labels(finding).inc()
        if execution_id is not None:
            details["execution"] = ":".join(identifiers.execution_key(execution_id))
        _log.warning("sweeper_finding", finding=finding, **details)
