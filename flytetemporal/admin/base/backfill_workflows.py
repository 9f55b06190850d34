"""The door from admin to the workflows of backfills; a part of ``engine``."""

from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.errors import Unavailable
from flytetemporal.idl import identifiers, times


class BackfillWorkflows:
    """The workflows of backfills."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def wake(self, backfill: backfills_pb2.Backfill, *, is_changed: bool) -> None:
        """Start the workflow unless it runs; if ``is_changed``, have it look at the backfill now.

        A repeated call changes nothing.

        Raises:
            Unavailable: Temporal does not answer; the loop ``backfills`` starts the workflow later.
        """
        plan, counts = backfill.launch_plan, backfill.counts
        name = ":".join(identifiers.entity_key(plan))
        try:
            await self._client.start_workflow(
                workflows.BACKFILL_WORKFLOW,
                backfill.id,
                id=workflows.backfill_workflow_id(backfill.id),
                task_queue=workflows.CONTROL_QUEUE,
                # An operator can have ended it in Temporal's UI.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal=workflows.BACKFILL_CHANGED if is_changed else None,
                static_summary=f"launches {counts.total} times of {plan.name}",
                memo={
                    "launch_plan": name,
                    "times": counts.total,
                    "start": times.moment(backfill.start).isoformat(),
                    "end": times.moment(backfill.end).isoformat(),
                    "started_by": backfill.started_by,
                },
                search_attributes=_search_attributes(backfill),
            )
        except RPCError as e:
            raise Unavailable(f"Temporal does not answer for backfill {backfill.id.name}: {e.message}") from e


def _search_attributes(backfill: backfills_pb2.Backfill) -> TypedSearchAttributes:
    values = {workflows.SEARCH_PROJECT: backfill.id.project, workflows.SEARCH_DOMAIN: backfill.id.domain}
    return TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword(k), v) for k, v in values.items()])
