"""``flytetemporal export``: writes what is recorded of an execution to one file, for ``flytetemporal replay``."""

import itertools
import secrets
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flyteidl.admin import common_pb2, execution_pb2, node_execution_pb2, version_pb2, workflow_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import Message

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import export_file, listing, log_sources
from flytetemporal.contracts import masking
from flytetemporal.contracts.v1 import records_pb2

GET_HISTORY = "/flytetemporal.v1.OperationsService/GetHistory"
GET_NODE_TIMES = "/flytetemporal.v1.OperationsService/GetNodeTimes"
NODES = 10_000
KEPT = 1000
_FILLER_KEY_BYTES = 32
_CONDITIONAL = ("flyteidl.core.BranchNode", "flyteidl.core.GateNode")


@click.command()
@admin_calls.execution_argument
@click.option(
    "-O",
    "--output-file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; default: EXECUTION.flytetemporal.zip.",
)
@click.option("--with-values", is_flag=True, help="Include inputs, outputs and error texts.")
@admin_calls.with_admin
def export(execution: str, path: Path | None, admin: Admin, *, with_values: bool) -> None:
    """Write the history, rows and graph of EXECUTION to one file, without values unless asked."""
    identifier = admin.execution_id(execution)
    path = path or Path(f"{identifier.name}.flytetemporal.zip")
    with export_file.written(path) as writer:
        left_out = _Exporter(admin, identifier, writer, with_values=with_values).write()
    click.echo(f"{path} has the history of {identifier.name}{'' if with_values else ', without values'}")
    for reason in left_out:
        click.echo(f"left out: {reason}", err=True)


class _Exporter:
    """Reads one execution and writes it."""

    def __init__(
        self,
        admin: Admin,
        identifier: identifier_pb2.WorkflowExecutionIdentifier,
        writer: export_file.Writer,
        *,
        with_values: bool,
    ) -> None:
        self._admin = admin
        self._id = identifier
        self._writer = writer
        self._request = records_pb2.HistoryRequest(execution_id=identifier, with_values=with_values)
        if not with_values:
            self._request.filler_key = secrets.token_bytes(_FILLER_KEY_BYTES)

    def write(self) -> list[str]:
        """Write all records; return which runs were left out, and why."""
        execution = self._get(
            "GetExecution", execution_pb2.WorkflowExecutionGetRequest(id=self._id), execution_pb2.Execution
        )
        workflow = self._get(
            "GetWorkflow", common_pb2.ObjectGetRequest(id=execution.closure.workflow_id), workflow_pb2.Workflow
        )
        self._keep_what_decides(workflow)
        left_out = self._write_histories()
        self._add("execution", execution)
        self._add("nodes", node_execution_pb2.NodeExecutionList(node_executions=self._nodes()))
        times = records_pb2.NodeTimesRequest(execution_id=self._id)
        self._add("times", self._admin.call(GET_NODE_TIMES, times, records_pb2.NodeTimesResponse))
        # The definition is code, and not masked: the history contains its graph anyway.
        self._writer.add_document("workflow", printing.document(workflow))
        version = self._get("GetVersion", version_pb2.GetVersionRequest(), version_pb2.GetVersionResponse)
        self._writer.finish(
            {
                "execution": f"{self._id.project}/{self._id.domain}/{self._id.name}",
                "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "server_version": version.control_plane_version.Version,
                "with_values": self._request.with_values,
                "left_out": left_out,
            }
        )
        return left_out

    def _get(self, method: str, request: Message, response: Any) -> Any:
        return self._admin.call(listing.ADMIN_SERVICE + method, request, response)

    def _nodes(self) -> list[node_execution_pb2.NodeExecution]:
        return log_sources.nodes(self._admin, self._id, NODES)

    def _add(self, name: str, message: Message) -> None:
        if not self._request.with_values:
            masking.Masker(self._request.filler_key).mask(message)
        self._writer.add_document(name, printing.document(message))

    def _keep_what_decides(self, workflow: workflow_pb2.Workflow) -> None:
        """Let the history keep what conditions of branches and gates of the workflow decide by."""
        compared = set()
        for message in masking.inside(workflow.closure.compiled_workflow):
            kind = message.DESCRIPTOR.full_name
            if kind in _CONDITIONAL:
                self._request.with_numbers = True
            elif kind == "flyteidl.core.Operand" and message.primitive.string_value:
                compared.add(message.primitive.string_value)
        self._request.kept.extend(sorted(compared)[:KEPT])

    def _write_histories(self) -> list[str]:
        left_out: list[str] = []
        # "" is the workflow of the execution itself.
        pending = deque([""])
        while pending:
            self._request.shard, self._request.token = pending.popleft(), ""
            pending.extend(self._write_runs(left_out))
        return left_out

    def _write_runs(self, left_out: list[str]) -> list[str]:
        """Write the runs of one workflow; return the shards that they started."""
        whole = f"{self._id.project}:{self._id.domain}:{self._id.name}"
        shards: list[str] = []
        for run_id, pages in itertools.groupby(self._pages(), key=lambda page: page.run_id):
            first = next(pages)
            if first.left_out:
                left_out.append(f"run {run_id}: {first.left_out}")
                continue
            with self._writer.run(self._request.shard or whole, run_id) as append:
                for page in itertools.chain([first], pages):
                    append(page.history)
                    shards.extend(page.shards)
        return shards

    def _pages(self) -> Iterator[records_pb2.HistoryPage]:
        while True:
            page = self._admin.call(GET_HISTORY, self._request, records_pb2.HistoryPage)
            yield page
            if not page.token:
                return
            self._request.token = page.token
