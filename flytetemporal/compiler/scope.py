"""What the checks of one workflow share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import interface_pb2, tasks_pb2, workflow_pb2

from flytetemporal.compiler import graph, problems
from flytetemporal.idl import identifiers


@dataclass(frozen=True, slots=True)
class Library:
    """What the nodes of a workflow may refer to."""

    tasks: Mapping[identifiers.EntityKey, tasks_pb2.TaskTemplate]
    launch_plans: Mapping[identifiers.EntityKey, launch_plan_pb2.LaunchPlan]
    sub_workflows: Mapping[identifiers.EntityKey, workflow_pb2.WorkflowTemplate]


@dataclass(frozen=True, slots=True)
class Scope:
    """One workflow while it is compiled.

    Attributes:
        template: our copy of the workflow, rewritten in place.
        library: tasks, launch plans and subworkflows by key.
        problems: shared with the other workflows of the closure.
        edges: those found so far.
        nodes: the nodes that may be referred to so far, those inside branches too.
        interfaces: inputs and outputs of these nodes; a node whose interface is unknown has none.
    """

    template: workflow_pb2.WorkflowTemplate
    library: Library
    problems: problems.Problems
    edges: graph.Edges = field(default_factory=graph.Edges)
    nodes: dict[str, workflow_pb2.Node] = field(default_factory=dict)
    interfaces: dict[str, interface_pb2.TypedInterface] = field(default_factory=dict)
