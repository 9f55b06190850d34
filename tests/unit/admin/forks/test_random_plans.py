"""Plans of forks of random workflows: what is reused is whole, and nothing that could be reused runs again."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from flytetemporal import errors
from flytetemporal.contracts.v1 import graph_pb2
from tests.fixtures.engine_runs import bind, task_node
from tests.unit.admin.forks.test_planning import definition, planned, reused, row

MOST = 8
FIRST = 2
POSITIONS = st.sets(st.integers(0, MOST - 1))


@dataclass(frozen=True)
class Case:
    """``before[i]`` are the nodes that node ``i`` runs after; ``reads`` are those bound to input b."""

    before: tuple[frozenset[int], ...]
    reads: frozenset[int]
    succeeded: frozenset[int]
    asked: frozenset[int]
    changed: bool

    def nodes(self) -> list[graph_pb2.Node]:
        return [
            task_node(
                f"n{i}",
                sorted(FIRST + other for other in before) or [0],
                [bind("a", "start-node", "b" if i in self.reads else "a")],
            )
            for i, before in enumerate(self.before)
        ]

    def after(self, first: frozenset[int]) -> frozenset[int]:
        """Return the nodes and all that run after them."""
        found = set(first)
        for i, before in enumerate(self.before):
            if before & found:
                found.add(i)
        return frozenset(found)

    def ancestors(self, i: int) -> frozenset[int]:
        return self.before[i].union(*(self.ancestors(other) for other in self.before[i]))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, MOST))
    before = tuple(frozenset(draw(st.sets(st.integers(0, i - 1))) if i else ()) for i in range(count))
    could, everything = draw(POSITIONS), frozenset(range(count))
    succeeded: set[int] = set()
    for i in range(count):  # A node succeeds only after those before it.
        if i in could and before[i] <= succeeded:
            succeeded.add(i)
    return Case(
        before,
        frozenset(draw(POSITIONS)) & everything,
        frozenset(succeeded),
        frozenset(draw(POSITIONS)) & everything,
        draw(st.booleans()),
    )


@given(cases())
def test_a_plan_reuses_exactly_what_nothing_that_runs_again_comes_before(case: Case) -> None:
    everything = frozenset(range(len(case.before)))
    rows = [row(f"n{i}") for i in sorted(case.succeeded)]
    changed = case.reads if case.changed else frozenset()
    requested = case.after(case.asked | changed)
    missing = everything - case.succeeded
    refused = any(case.ancestors(i) & missing - requested for i in case.asked)
    try:
        plan = planned(
            definition(case.nodes()), rows, *(f"n{i}" for i in case.asked), changed=["b"] if case.changed else []
        )
    except errors.FailedPrecondition:
        assert refused
        return

    assert not refused
    again = case.after(case.asked | changed | missing)
    assert reused(plan) == {"": [f"n{i}" for i in sorted(everything - again)]}
    assert {node.node_id for node in plan.nodes.values() if node.reason} == {f"n{i}" for i in again}
