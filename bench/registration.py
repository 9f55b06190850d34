"""Time CreateWorkflow for a workflow of a thousand nodes."""

import statistics
import time
import uuid

import grpc
from flyteidl.admin import common_pb2, workflow_pb2
from flyteidl.core import identifier_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from flyteidl.service import admin_pb2_grpc

SENTINELS = ("start-node", "end-node")


async def seconds(endpoint: str, registered: identifier_pb2.Identifier, repeat: int = 3) -> float:
    """Return the median seconds to register ``registered`` again under new versions."""
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
