"""The kinds of executions, and the records that each must have at its end."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from flyteidl.core import literals_pb2

OK, FAILED, SKIPPED = "SUCCEEDED", "FAILED", "SKIPPED"
ENDS = {"start-node": OK, "end-node": OK}
START = {"start-node": OK}
# The launch plan of ``chain`` that runs few executions at once.
LIMITED = "faults_limited"


def integer(value: int) -> literals_pb2.Literal:
    """Return an integer literal."""
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value)))


def text(value: str) -> literals_pb2.Literal:
    """Return a string literal."""
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def boolean(value: bool) -> literals_pb2.Literal:
    """Return a boolean literal."""
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(boolean=value)))


@dataclass(frozen=True)
class Kind:
    """A workflow of the program, and the records that its executions must end with.

    ``phase`` is the phase of the execution; ``nodes`` are the phases of its nodes, alternatives separated by a bar.
    ``weight``: the relative frequency. ``tasks``: the nodes whose tasks write notes. ``signals``: set while it runs.
    ``aborted``: the suite aborts it at most this many seconds after its start, or tries to; it then has a subset of
    ``nodes``. ``races``: it is so short that it can end before an accepted abort reaches it.
    ``child``: the workflow that it launches, ``children`` times.
    ``dynamic``: the node whose inner nodes are named after the attempt that compiled them.
    ``elements``: for each map task the number of elements that succeed; they write notes, too.
    ``paused``: the suite pauses it at most this many seconds after its start, and resumes it some seconds later.
    ``stop_running``: the pause stops attempts that run.
    ``again``: an execution that follows and reuses what succeeded in this one.
    ``plan``: the launch plan; empty: the one that has the name of the workflow.
    ``held``: the node that fails and is held, until one of two operators, who both try, has retried or skipped it.
    """

    workflow: str
    weight: int
    phase: str
    nodes: Mapping[str, str]
    tasks: tuple[str, ...] = ()
    inputs: Mapping[str, int] = field(default_factory=dict)
    with_folder: bool = True
    signals: Mapping[str, literals_pb2.Literal] = field(default_factory=dict)
    aborted: float = 0.0
    races: bool = False
    child: str = ""
    children: int = 1
    dynamic: str = ""
    elements: Mapping[str, int] = field(default_factory=dict)
    again: "Again | None" = None
    held: str = ""
    paused: float = 0.0
    stop_running: bool = False
    plan: str = ""

    def after(self, attempt: int) -> "Kind":
        """Return the kind as its records look if ``attempt`` compiled the dynamic node's workflow."""
        if not self.dynamic:
            return self
        first, last = f"{self.dynamic}-0-", f"{self.dynamic}-{attempt}-"
        nodes = {node.replace(first, last): phase for node, phase in self.nodes.items()}
        return dataclasses.replace(self, nodes=nodes, tasks=tuple(task.replace(first, last) for task in self.tasks))


@dataclass(frozen=True)
class Again:
    """A fork or a recovery of an execution, and the records that it must end with.

    ``from_nodes``: the nodes that a fork runs again; None: it is a recovery. ``early``: the fork is made while the
    source runs, at a random moment, so that any part of it is reused. ``same``: its outputs are those of the source.
    """

    kind: Kind
    from_nodes: tuple[str, ...] | None = ()
    early: float = 0.0
    same: bool = True


def _failing(workflow: str, weight: int) -> Kind:
    return Kind(workflow, weight, FAILED, {**START, "n0": FAILED}, tasks=("n0",))


REUSED = "RECOVERED"
_FAN_NODES = tuple(f"n{i}" for i in range(6))
AGAIN = (
    Kind(
        "chain",
        4,
        OK,
        {**ENDS, "n0": OK, "n1": OK, "n2": OK},
        ("n0", "n2"),
        again=Again(Kind("chain", 0, OK, {**ENDS, "n0": REUSED, "n1": OK, "n2": OK}, ("n2",)), ("n1",)),
    ),
    Kind(
        "fan",
        4,
        OK,
        {**ENDS, **dict.fromkeys(_FAN_NODES, OK)},
        ("n0", "n1", "n2"),
        again=Again(Kind("fan", 0, OK, {**ENDS, **dict.fromkeys(_FAN_NODES, f"{OK}|{REUSED}")}), early=4.0),
    ),
    Kind(
        "nested",
        3,
        OK,
        {**ENDS, "n0": OK, "n0-0-n0": OK, "n0-0-n1": OK, "n0-0-start-node": OK, "n0-0-end-node": OK},
        ("n0-0-n0",),
        again=Again(
            Kind(
                "nested",
                0,
                OK,
                {**ENDS, "n0": OK, "n0-0-n0": REUSED, "n0-0-n1": OK, "n0-0-start-node": OK, "n0-0-end-node": OK},
            ),
            ("n0-0-n1",),
        ),
    ),
    Kind(
        "approved",
        4,
        FAILED,
        {**START, "n0": OK, "n1": FAILED},
        ("n0",),
        signals={"go": boolean(False)},
        again=Again(
            Kind("approved", 0, OK, {**ENDS, "n0": REUSED, "n1": OK, "n2": OK}, ("n2",), signals={"go": boolean(True)}),
            from_nodes=None,
            same=False,
        ),
    ),
)
KINDS = (
    Kind("single", 8, OK, {**ENDS, "n0": OK}, ("n0",)),
    Kind("chain", 8, OK, {**ENDS, "n0": OK, "n1": OK, "n2": OK}, ("n0", "n2")),
    Kind("fan", 6, OK, {**ENDS, **{f"n{i}": OK for i in range(6)}}, ("n0", "n1", "n2")),
    Kind("engine_only", 15, OK, {**ENDS, **{f"n{i}": OK for i in range(8)}}, inputs={"a": 1}, with_folder=False),
    Kind("naps", 10, OK, {**ENDS, **{f"n{i}": OK for i in range(5)}}, with_folder=False),
    Kind("branch", 4, OK, {**ENDS, "n0": OK, "n0-0-n0-n0": OK}, ("n0-0-n0-n0",), inputs={"a": 9}),
    Kind("branch", 4, OK, {**ENDS, "n0": OK, "n0-0-n0-n1": OK}, inputs={"a": 1}),
    Kind(
        "nested",
        5,
        OK,
        {**ENDS, "n0": OK, "n0-0-n0": OK, "n0-0-n1": OK, "n0-0-start-node": OK, "n0-0-end-node": OK},
        ("n0-0-n0",),
    ),
    Kind(
        "nested_failing",
        4,
        FAILED,
        {**START, "n0": FAILED, "n0-0-n0": FAILED, "n0-0-start-node": OK},
        ("n0-0-n0",),
    ),
    Kind("retried", 6, OK, {**ENDS, "n0": OK}, ("n0",)),
    _failing("exhausted", 4),
    _failing("failing", 5),
    Kind("cleaned", 5, FAILED, {**START, "n0": FAILED, "fn0": OK}, ("n0", "fn0")),
    # While no worker runs, the node's own deadline can pass before the timeout of its attempt.
    Kind("timed_out", 3, FAILED, {**START, "n0": f"{FAILED}|TIMED_OUT"}),
    Kind("sleeping", 6, OK, {**ENDS, "n0": OK, "n1": OK}, ("n1",)),
    Kind("given", 6, OK, {**ENDS, "n0": OK, "n1": OK}, ("n1",), signals={"number": integer(5)}),
    Kind("approved", 5, OK, {**ENDS, "n0": OK, "n1": OK, "n2": OK}, ("n0", "n2"), signals={"go": boolean(True)}),
    Kind("approved", 4, FAILED, {**START, "n0": OK, "n1": FAILED}, ("n0",), signals={"go": boolean(False)}),
    Kind(
        "made",
        5,
        OK,
        {**ENDS, "n0": OK, "n0-0-dn0": OK, "n0-0-dn1": OK, "n0-0-start-node": OK, "n0-0-end-node": OK},
        ("n0", "n0-0-dn0"),
        dynamic="n0",
    ),
    Kind("mapped", 4, OK, {**ENDS, "n0": OK}, elements={"n0": 5}),
    Kind("mapped_some", 3, OK, {**ENDS, "n0": OK}, elements={"n0": 2}),
    Kind("mapped_failing", 3, FAILED, {**START, "n0": FAILED}, elements={"n0": 0}),
    Kind("repaired", 6, OK, {**ENDS, "n0": OK, "n1": OK, "n2": OK}, ("n0", "n2"), held="n1"),
    Kind("leaving", 3, OK, {**ENDS, "n0": OK}, ("n0",)),
    Kind("parent", 4, OK, {**ENDS, "n0": OK, "n1": OK}, child="single"),
    Kind("mapped_children", 3, OK, {**ENDS, "n0": OK}, child="single", children=3),
    Kind("parent_failing", 3, FAILED, {**START, "n0": FAILED}, child="failing"),
    Kind("aborted", 5, "ABORTED", {**START, "n0": OK}, ("n0",), aborted=6.0),
    Kind("chain", 5, "ABORTED", {**ENDS, "n0": OK, "n1": OK, "n2": OK}, ("n0", "n2"), aborted=3.0, races=True),
    Kind("chain", 4, OK, {**ENDS, "n0": OK, "n1": OK, "n2": OK}, ("n0", "n2"), paused=3.0),
    Kind("fan", 3, OK, {**ENDS, **{f"n{i}": OK for i in range(6)}}, ("n0", "n1", "n2"), paused=3.0, stop_running=True),
    Kind("mapped", 3, OK, {**ENDS, "n0": OK}, elements={"n0": 5}, paused=3.0, stop_running=True),
    Kind("parent", 3, OK, {**ENDS, "n0": OK, "n1": OK}, child="single", paused=3.0),
    # They wait for each other's places, and some are aborted while they wait.
    Kind("chain", 3, OK, {**ENDS, "n0": OK, "n1": OK, "n2": OK}, ("n0", "n2"), plan=LIMITED),
    Kind(
        "chain",
        2,
        "ABORTED",
        {**ENDS, "n0": OK, "n1": OK, "n2": OK},
        ("n0", "n2"),
        aborted=3.0,
        races=True,
        plan=LIMITED,
    ),
    *AGAIN,
)


def child_kind(parent: Kind) -> Kind:
    """Return the kind of the children of ``parent``."""
    return next(kind for kind in KINDS if kind.workflow == parent.child)
