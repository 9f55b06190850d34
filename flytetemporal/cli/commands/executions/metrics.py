"""``flytetemporal metrics``: shows where the time of an execution went."""

from collections.abc import Iterator

import click
from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import listing, moments, spans
from flytetemporal.contracts.v1 import records_pb2
from flytetemporal.idl import phases

GET_NODE_TIMES = "/flytetemporal.v1.OperationsService/GetNodeTimes"
ALL_LEVELS = -1


@click.command()
@admin_calls.execution_argument
@click.option(
    "--depth", type=click.IntRange(0), default=10, help="Levels of the tree that are printed.", show_default=True
)
@click.option("--elements", is_flag=True, help="Also the elements of map tasks, one by one.")
@printing.option
@admin_calls.with_admin
def metrics(execution: str, depth: int, output: str, admin: Admin, *, elements: bool) -> None:
    """Show where the time of EXECUTION went: its spans, the states of its nodes, and the engine's own share."""
    identifier = admin.execution_id(execution)
    tree = admin.call(
        f"{listing.ADMIN_SERVICE}GetExecutionMetrics",
        execution_pb2.WorkflowExecutionGetMetricsRequest(id=identifier, depth=ALL_LEVELS),
        execution_pb2.WorkflowExecutionGetMetricsResponse,
    )
    request = records_pb2.NodeTimesRequest(execution_id=identifier, elements=elements)
    times = admin.call(GET_NODE_TIMES, request, records_pb2.NodeTimesResponse)
    is_running = _is_running(admin, identifier)
    share = spans.engine_share(tree.span, times, is_running=is_running)
    found = {
        "span": printing.document(tree.span),
        **printing.document(times),
        "totalSeconds": share.total,
        "startingSeconds": share.starting,
        "pausedSeconds": share.paused,
        "engineSeconds": share.engine,
    }
    printing.show(output, found, lambda: _lines(tree, times, share, depth, is_running=is_running))


def _is_running(admin: Admin, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> bool:
    request = execution_pb2.WorkflowExecutionGetRequest(id=identifier)
    phase = admin.call(f"{listing.ADMIN_SERVICE}GetExecution", request, execution_pb2.Execution).closure.phase
    return phase not in phases.WORKFLOW_TERMINAL


def _lines(
    tree: execution_pb2.WorkflowExecutionGetMetricsResponse,
    times: records_pb2.NodeTimesResponse,
    share: spans.Share,
    depth: int,
    *,
    is_running: bool,
) -> Iterator[str]:
    yield from printing.table(("span", "start", "duration"), spans.rows(tree.span, depth))
    yield ""
    titles = ("node", "attempt", "start", "queued", "dispatched", "started", "running", "reported")
    yield from printing.table(titles, spans.time_rows(times.nodes, tree.span.start_time))
    yield from times.notes
    yield ""
    if is_running:
        yield "the execution still runs: all times end with its newest event"
    yield f"time of the execution:             {moments.seconds(share.total)}"
    yield f"only processes of tasks started:   {moments.seconds(share.starting)}"
    if share.paused:
        yield f"paused by an operator:             {moments.seconds(share.paused)}"
    yield f"only the engine was busy:          {moments.seconds(share.engine)} ({share.percent:.0f}%)"
