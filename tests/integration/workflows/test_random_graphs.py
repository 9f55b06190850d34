"""Random graphs over every node kind, run by the engine and by a small reference interpreter of Flyte's semantics."""

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

from flyteidl.core import literals_pb2, types_pb2, workflow_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.client import Client

from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.idl import naming
from tests.fixtures.engine_runs import (
    EngineRuns,
    bind,
    body,
    constant,
    failed,
    int_map,
    integer,
    succeeded,
    task_node,
    task_summary,
)
from tests.integration.workflows.graphs import approve_node, signal_node, sleep_node

CARRY_ON = workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
FAIL_FAST = workflow_pb2.WorkflowMetadata.FAIL_IMMEDIATELY
USER, UNKNOWN = "USER", "UNKNOWN"
SIGNAL_VALUE = 7
BRANCH_LIMIT = 3
TASK, ECHO = 0, 1

# The end of a task, by the value of its input.
TASK_ENDS = ("succeeds", "fails", "recovers", "exhausts", "is interrupted")
LEAVES = ("task", "echo", "sleep", "signal", "approve", "reject", "branch", "branch_error", "launch_plan", "array")
NESTING = ("subworkflow", "dynamic")
# Kinds whose output is no number: nodes downstream take the level's input instead.
VALUELESS = ("sleep", "array")
# The input of the levels of dynamic nodes.
DYNAMIC_VALUE = 2
MAPPED = (1, 2, 3)
# Limits of a history: a few events, so that a run continues as new many times; 0: never.
HISTORIES = (0, 25)


@dataclass(frozen=True)
class Spec:
    """One node. It takes the value of its first upstream node that has one, or the level's input."""

    kind: str
    upstream: tuple[int, ...]
    ends: str = "succeeds"
    inner: "tuple[Spec, ...]" = ()
    failure_node: bool = False


@dataclass(frozen=True)
class Case:
    nodes: tuple[Spec, ...]
    policy: workflow_pb2.WorkflowMetadata.OnFailurePolicy
    failure_node: bool
    history_events: int


@st.composite
def levels(draw: st.DrawFn, depth: int) -> tuple[Spec, ...]:
    size = draw(st.integers(1, 8 if depth == 0 else 3))
    kinds = st.sampled_from((*LEAVES, *NESTING) if depth < 2 else LEAVES)
    nodes = []
    for i in range(size):
        kind = draw(kinds)
        nodes.append(
            Spec(
                kind=kind,
                upstream=tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else (),
                ends=draw(st.sampled_from(("succeeds", *TASK_ENDS))),
                inner=draw(levels(depth + 1)) if kind in NESTING else (),
                failure_node=draw(st.booleans()),
            )
        )
    return tuple(nodes)


cases = st.builds(Case, levels(0), st.sampled_from((CARRY_ON, FAIL_FAST)), st.booleans(), st.sampled_from(HISTORIES))


# The graph of a case.


def _source(nodes: tuple[Spec, ...], i: int) -> tuple[str, str]:
    for j in nodes[i].upstream:
        if nodes[j].kind not in VALUELESS:
            return f"n{j}", "o0"
    return "start-node", "a"


def _task(node_id: str, before: list[int], source: tuple[str, str], ends: str, kind: int = TASK) -> graph_pb2.Node:
    node = task_node(node_id, before, [bind("a", *source)], task=kind, retries=int(ends in ("recovers", "exhausts")))
    node.name = ends
    return node


def _branch(node_id: str, before: list[int], source: tuple[str, str], spec: Spec) -> graph_pb2.Node:
    condition = {
        "operator": "LTE",
        "left_value": {"var": ".a"},
        "right_value": {"primitive": {"integer": BRANCH_LIMIT}},
    }
    child = _task(f"{node_id}-n0", before, source, spec.ends)
    branch = graph_pb2.BranchNode(cases=[graph_pb2.BranchCase(condition={"comparison": condition}, node=child)])
    if spec.kind == "branch_error":
        branch.error.CopyFrom(types_pb2.Error(message="too large"))
    else:
        branch.else_node.CopyFrom(_task(f"{node_id}-n1", before, source, "succeeds", ECHO))
    return graph_pb2.Node(id=node_id, name=node_id, upstream=before, inputs=[bind(".a", *source)], branch=branch)


class _Builder:
    """Collects the workflows of a case; subworkflows get a position, dynamic nodes a graph."""

    def __init__(self, dynamic: dict[str, graph_pb2.Graph]) -> None:
        self.workflows: list[graph_pb2.WorkflowGraph] = []
        # By name of the node.
        self.dynamic = dynamic

    def level(self, nodes: tuple[Spec, ...], *, failure_node: bool) -> int:
        place = len(self.workflows)
        self.workflows.append(graph_pb2.WorkflowGraph())
        built = [self._node(nodes, i) for i in range(len(nodes))]
        outputs = [bind("o0", *_output(nodes))]
        workflow = body(built, outputs, name=f"w{place}")
        if failure_node:
            bindings = [bind("a", "start-node", "a"), constant("err", 0)]
            workflow.failure_node.CopyFrom(task_node("fn0", [0], bindings))
            workflow.failure_node.name = "succeeds"
        self.workflows[place] = workflow
        return place

    def _node(self, nodes: tuple[Spec, ...], i: int) -> graph_pb2.Node:  # noqa: PLR0911  one per kind
        spec, node_id, source = nodes[i], f"n{i}", _source(nodes, i)
        before = [j + 2 for j in spec.upstream] or [0]
        match spec.kind:
            case "task" | "echo":
                echo = spec.kind == "echo"
                return _task(node_id, before, source, "succeeds" if echo else spec.ends, int(echo))
            case "sleep":
                return sleep_node(node_id, before, 0.01)
            case "signal":
                return signal_node(node_id, before)
            case "approve" | "reject":
                return approve_node(node_id, before, [bind("o0", *source)], spec.kind)
            case "subworkflow":
                place = self.level(spec.inner, failure_node=spec.failure_node)
                nested = graph_pb2.SubworkflowNode(workflow=place)
                inputs = [bind("a", *source)]
                return graph_pb2.Node(id=node_id, name=node_id, upstream=before, inputs=inputs, subworkflow=nested)
            case "dynamic":
                node = _task(node_id, before, source, "is dynamic")
                node.name = f"dynamic-{len(self.dynamic)}"
                self.dynamic[node.name] = graph_pb2.Graph()  # Reserves its position before those of nested nodes.
                self.dynamic[node.name] = self._dynamic(spec)
                return node
            case "launch_plan":
                plan = {"name": spec.ends, "project": "p", "domain": "d", "version": "v"}
                inputs = [bind("a", *source)]
                return graph_pb2.Node(id=node_id, name=node_id, upstream=before, inputs=inputs, launch_plan=plan)
            case "array":
                return _array(node_id, before, spec.ends)
            case _:
                return _branch(node_id, before, source, spec)

    def _dynamic(self, spec: Spec) -> graph_pb2.Graph:
        builder = _Builder(self.dynamic)
        builder.level(spec.inner, failure_node=False)
        _give(builder.workflows[0])
        return _graph(builder)


def _array(node_id: str, before: list[int], ends: str) -> graph_pb2.Node:
    mapped = constant("a", 0)
    mapped.binding.collection.bindings.extend(constant("a", value).binding for value in MAPPED)
    node = graph_pb2.Node(id=node_id, name=ends, upstream=before, inputs=[mapped])
    inner = _task("n0", [], ("start-node", "a"), ends)
    del inner.inputs[:]
    node.array.CopyFrom(graph_pb2.ArrayNode(node=inner))
    return node


def _give(level: graph_pb2.WorkflowGraph) -> None:
    """Replace bindings to the input of a level by a constant, because dynamic workflows have no inputs."""
    children = [
        child for node in level.nodes for child in (*(case.node for case in node.branch.cases), node.branch.else_node)
    ]
    for node in [*level.nodes, *children]:
        for binding in node.inputs:
            if binding.binding.promise.node_id == "start-node":
                binding.CopyFrom(constant(binding.var, DYNAMIC_VALUE))


def _output(nodes: tuple[Spec, ...]) -> tuple[str, str]:
    return (f"n{len(nodes) - 1}", "o0") if nodes[-1].kind not in VALUELESS else ("start-node", "a")


def _graph(builder: _Builder) -> graph_pb2.Graph:
    return graph_pb2.Graph(workflows=builder.workflows, tasks=[task_summary(), task_summary("e", "echo")])


def graph(case: Case, dynamic: dict[str, graph_pb2.Graph]) -> graph_pb2.Graph:
    """Return the graph of a case and fill ``dynamic`` with those of its dynamic nodes, by name."""
    builder = _Builder(dynamic)
    builder.level(case.nodes, failure_node=case.failure_node)
    builder.workflows[0].on_failure = case.policy
    return _graph(builder)


def child(ends: str) -> graph_pb2.Graph:
    """Return the graph of a launch plan: one task."""
    nodes = [_task("n0", [0], ("start-node", "a"), ends)]
    return graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n0", "o0")])], tasks=[task_summary()])


# The reference interpreter: the ends that Flyte reports if nothing is stopped early.


@dataclass(frozen=True)
class Failure:
    code: str
    kind: str


End: TypeAlias = int | Failure | None
"""A value, a failure, or nothing: skipped."""


@dataclass
class Reference:
    phases: dict[str, str] = field(default_factory=dict)

    def level(self, nodes: tuple[Spec, ...], value: int, parent: str = "", *, failure_node: bool) -> int | Failure:
        ends: list[End] = []
        for i, spec in enumerate(nodes):
            node_id = naming.node_id(naming.node_path(f"n{i}", parent, 0))
            before = [ends[j] for j in spec.upstream]
            ends.append(self._node(nodes, i, node_id, value, ends) if all(map(_is_value, before)) else None)
            self.phases[node_id] = _phase(ends[i])
        whole = all(map(_is_value, ends))
        self.phases[naming.node_id(naming.node_path("end-node", parent, 0))] = "SUCCEEDED" if whole else "SKIPPED"
        if not whole:
            if failure_node:
                self.phases[naming.node_id(naming.node_path("fn0", parent, 0))] = "SUCCEEDED"
            return self._error(nodes, ends)
        last = ends[-1] if nodes[-1].kind not in VALUELESS else value
        assert isinstance(last, int)
        return last

    def _node(  # noqa: PLR0911  one per kind
        self, nodes: tuple[Spec, ...], i: int, node_id: str, value: int, ends: list[End]
    ) -> int | Failure:
        spec = nodes[i]
        given = next((ends[j] for j in spec.upstream if nodes[j].kind not in VALUELESS), value)
        assert isinstance(given, int)
        match spec.kind:
            case "task" | "launch_plan":
                return _task_end(spec.ends, given)
            case "array":
                return Failure("", UNKNOWN) if isinstance(_task_end(spec.ends, given), Failure) else given
            case "dynamic":
                return self.level(spec.inner, DYNAMIC_VALUE, node_id, failure_node=False)
            case "signal":
                return SIGNAL_VALUE
            case "reject":
                return Failure("ReceivedRejectSignal", USER)
            case "subworkflow":
                return self.level(spec.inner, given, node_id, failure_node=spec.failure_node)
            case "branch" | "branch_error":
                return self._branch(spec, f"n{i}", node_id, given)
            case _:  # echo, sleep, approve
                return given

    def _branch(self, spec: Spec, spec_id: str, node_id: str, given: int) -> int | Failure:
        if given <= BRANCH_LIMIT:
            end = _task_end(spec.ends, given)
            self.phases[naming.node_id(naming.node_path(f"{spec_id}-n0", node_id, 0))] = _phase(end)
            return end
        if spec.kind == "branch_error":
            return Failure("UserProvidedError", USER)
        self.phases[naming.node_id(naming.node_path(f"{spec_id}-n1", node_id, 0))] = "SUCCEEDED"
        return given

    def _error(self, nodes: tuple[Spec, ...], ends: list[End]) -> Failure:
        """Return the failure that a depth-first walk visits last."""

        def last(after: list[int]) -> Failure | None:
            found: Failure | None = None
            for j in sorted(after, key=lambda j: f"n{j}"):
                end = ends[j]
                below = [k for k, spec in enumerate(nodes) if j in spec.upstream]
                found = (end if isinstance(end, Failure) else last(below)) or found
            return found

        failure = last([i for i, spec in enumerate(nodes) if not spec.upstream])
        assert failure is not None
        return failure


def _is_value(end: End) -> bool:
    return isinstance(end, int)


def _phase(end: End) -> str:
    if isinstance(end, int):
        return "SUCCEEDED"
    return "SKIPPED" if end is None else "FAILED"


def _task_end(ends: str, given: int) -> int | Failure:
    match ends:
        case "fails":
            return Failure("USER:Boom", USER)
        case "exhausts":
            return Failure("RetriesExhausted|USER:Recoverable", USER)
        case _:
            return given + 1


# The engine's run of it.


async def scripted(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    ends = attempt.node_event.node_name
    if ends.startswith("dynamic"):
        return execution_pb2.TaskAttemptResult(dynamic=True)
    if ends == "fails":
        return failed("USER:Boom")
    if ends == "exhausts" or (ends == "recovers" and attempt.attempt == 0):
        return failed("USER:Recoverable", recoverable=True)
    if ends == "is interrupted" and attempt.attempt < 2:
        return failed("Interrupted", "SYSTEM", recoverable=True)
    return succeeded(o0=attempt.inputs.literals.literals["a"].scalar.primitive.integer + 1)


def boolean(value: bool) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(boolean=value)))


async def run(address: str, case: Case) -> None:
    runs = EngineRuns(await Client.connect(address, data_converter=payloads.DATA_CONVERTER))
    runs.default_script = scripted
    runs.signals = {"number": integer(SIGNAL_VALUE), "approve": boolean(True), "reject": boolean(False)}
    reference = Reference()
    expected = reference.level(case.nodes, 1, failure_node=case.failure_node)
    runs.children.update({ends: child(ends) for ends in TASK_ENDS})
    runs.history_events = case.history_events

    dynamic: dict[str, graph_pb2.Graph] = {}
    walked = graph(case, dynamic)
    runs.dynamic.update(dynamic)

    async with runs.workers():
        handle = await runs.start(walked, int_map(a=1))
        phase = await runs.wait(handle)

    runs.only(handle)
    ends = {name: phases[-1] for name, phases in runs.phases().items() if not name.endswith("start-node")}
    ends = {name: end for name, end in ends.items() if name in reference.phases or end != "SUCCEEDED"}
    if isinstance(expected, int):
        assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=expected))
        assert ends == reference.phases
        return
    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    if case.policy == CARRY_ON:
        assert ends == reference.phases
        assert Failure(error.code, error.ErrorKind.Name(error.kind)) == expected
    else:
        check_stopped_early(ends, reference.phases, case)


def check_stopped_early(ends: dict[str, str], full: dict[str, str], case: Case) -> None:
    """Check that every node that started ended as in the reference or was stopped, one failed, and none was skipped."""
    for node, end in ends.items():
        assert end in (full.get(node), "ABORTED"), node
    assert "FAILED" in ends.values()
    assert "SKIPPED" not in ends.values()
    assert ("fn0" in ends) == case.failure_node


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases)
def test_the_engine_agrees_with_the_reference_interpreter(temporal_address: str, case: Case) -> None:
    asyncio.run(run(temporal_address, case))
