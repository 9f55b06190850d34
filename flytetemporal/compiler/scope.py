"""The state that the checks of a workflow share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import interface_pb2, tasks_pb2, workflow_pb2

from flytetemporal.compiler import graph, problems
from flytetemporal.idl import identifiers


@dataclass(frozen=True, slots=True)
class Library:
    """The entities that the nodes of a workflow can refer to."""

    tasks: Mapping[identifiers.EntityKey, tasks_pb2.TaskTemplate]
    launch_plans: Mapping[identifiers.EntityKey, launch_plan_pb2.LaunchPlan]
    sub_workflows: Mapping[identifiers.EntityKey, workflow_pb2.WorkflowTemplate]


@dataclass(frozen=True, slots=True)
class Scope:
    """A workflow while it is being compiled.

    Attributes:
        template: a copy of the workflow, rewritten in place.
        library: tasks, launch plans and subworkflows by key.
        problems: shared with the other workflows of the closure.
        edges: the edges found so far.
        nodes: the nodes that can be referred to so far, including those inside branches.
        interfaces: the interfaces of these nodes; missing if a problem prevents finding it.
    """

    template: workflow_pb2.WorkflowTemplate
    library: Library
    problems: problems.Problems
    edges: graph.Edges = field(default_factory=graph.Edges)
    nodes: dict[str, workflow_pb2.Node] = field(default_factory=dict)
    interfaces: dict[str, interface_pb2.TypedInterface] = field(default_factory=dict)
