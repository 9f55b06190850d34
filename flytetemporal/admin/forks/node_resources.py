"""Resources that a fork gives to nodes that it runs."""

from collections.abc import Iterator

from flyteidl.core import tasks_pb2

from flytetemporal import errors
from flytetemporal.admin.forks import fitting
from flytetemporal.admin.forks.planning import Plan
from flytetemporal.admin.settings import task_resources
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts.v1 import fork_pb2, graph_pb2
from flytetemporal.idl import naming

# The attempt of a workflow node that a fork starts with.
_FIRST_ATTEMPT = 0


def check(request: fork_pb2.ForkRequest, settings: AdminSettings) -> dict[str, tasks_pb2.Resources]:
    """Return the resources by node id. Raises ``InvalidRequest`` if one is unknown, malformed or above a limit."""
    found: dict[str, tasks_pb2.Resources] = {}
    for given in request.resources:
        if not given.node_id:
            raise errors.InvalidRequest("a resource is given to no node; write it as NODE.memory=8Gi")
        kind = task_resources.NAMES.get(given.resource)
        if kind is None:
            raise errors.InvalidRequest(
                f"node {given.node_id} has no resource {given.resource}; set one of {', '.join(task_resources.NAMES)}"
            )
        entry = tasks_pb2.Resources.ResourceEntry(name=kind, value=given.quantity)
        resources = found.setdefault(given.node_id, tasks_pb2.Resources())
        # Both: a limit of the task's own that is lower would win over the request.
        resources.requests.append(entry)
        resources.limits.append(entry)
    for node_id, resources in found.items():
        task_resources.check_container(node_id, resources, task_resources.platform_limits(settings))
    return found


def check_nodes(plan: Plan, resources: dict[str, tasks_pb2.Resources], source: str) -> None:
    """Refuse resources of nodes that do not exist, run no task or are reused.

    Raises:
        NotFound: a node does not exist.
        InvalidRequest: it runs no task.
        FailedPrecondition: it is reused.
    """
    below = dict(_below_whole_nodes(plan)) if resources.keys() - plan.nodes.keys() else {}
    for node_id in sorted(resources):
        answer = plan.nodes.get(node_id)
        spec = plan.specs[node_id][1] if answer is not None else below.get(node_id)
        if spec is None:
            raise errors.NotFound(
                f"node {node_id}, whose resources are set, does not exist in the fork of {source}; see its nodes with: "
                f"flytetemporal fork {source} --dry-run"
            )
        if not (spec.HasField("task") or (spec.HasField("array") and spec.array.node.HasField("task"))):
            raise errors.InvalidRequest(f"node {node_id} runs no task, so it has no resources to set")
        if answer is not None and answer.reused:
            raise errors.FailedPrecondition(
                f"the outputs of node {node_id} are reused, so it has no use for other resources; to run it again, "
                f"fork from {node_id}"
            )


def _below_whole_nodes(plan: Plan) -> Iterator[tuple[str, graph_pb2.Node]]:
    """Yield id and spec of the nodes below those that run whole. What dynamic nodes will generate is not known."""
    for node_id, (level, spec) in plan.specs.items():
        if not plan.nodes[node_id].reused:
            yield from _below(level.definition.graph, node_id, spec)


def _below(graph: graph_pb2.Graph, node_id: str, spec: graph_pb2.Node) -> Iterator[tuple[str, graph_pb2.Node]]:
    children = list(fitting.branch_nodes(spec)) if spec.HasField("branch") else []
    if spec.HasField("subworkflow"):
        children = list(graph.workflows[spec.subworkflow.workflow].nodes)
    for child in children:
        child_id = naming.node_id(naming.node_path(child.id, node_id, _FIRST_ATTEMPT))
        yield child_id, child
        yield from _below(graph, child_id, child)
