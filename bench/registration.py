"""Registers the flows, and times CreateWorkflow."""

import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from flyteidl.admin import common_pb2, workflow_pb2
from flyteidl.core import identifier_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from flyteidl.service import admin_pb2_grpc

from bench.executions import DOMAIN, PROJECT

ROOT = Path(__file__).parent.parent
SENTINELS = ("start-node", "end-node")


def register(state: dict[str, Any], version: str, flows: Sequence[str] = ("bench/flows",)) -> None:
    """Register ``flows`` with stock pyflyte."""
    pyflyte = str(Path(sys.executable).with_name("pyflyte"))
    arguments = ["register", "-p", PROJECT, "-d", DOMAIN, "--version", version, *flows]
    subprocess.run([pyflyte, "-c", state["client_config"], *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


async def seconds(endpoint: str, registered: identifier_pb2.Identifier, repeat: int = 3) -> float:
    """Return the median seconds to register a workflow again under a new version."""
    options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    async with grpc.aio.insecure_channel(endpoint, options=options) as channel:
        admin = admin_pb2_grpc.AdminServiceStub(channel)
        found = await admin.GetWorkflow(common_pb2.ObjectGetRequest(id=registered))
        template = core_workflow_pb2.WorkflowTemplate()
        template.CopyFrom(found.closure.compiled_workflow.primary.template)
        nodes = [node for node in template.nodes if node.id not in SENTINELS]
        del template.nodes[:]
        template.nodes.extend(nodes)
        taken = []
        for _ in range(repeat):
            template.id.version = f"bench-{uuid.uuid4().hex[:8]}"
            request = workflow_pb2.WorkflowCreateRequest(
                id=template.id, spec=workflow_pb2.WorkflowSpec(template=template)
            )
            started = time.perf_counter()
            await admin.CreateWorkflow(request)
            taken.append(time.perf_counter() - started)
        return statistics.median(taken)
