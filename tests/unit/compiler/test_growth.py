"""The work of compiling grows with the number of nodes, not with its square; ``make bench`` says how long it takes."""

from functools import partial

import pytest

from flytetemporal.compiler.compact import compact
from flytetemporal.idl import digest
from tests.fixtures import templates as t
from tests.fixtures.effort import calls

COUNT = 1_000


def compile_nodes(shape: str, count: int) -> int:
    """Return how many nodes the compiled workflow has."""
    rest = range(1, count)
    inputs = [[t.bind("a", t.promise(f"n{i - 1}", "o0"))] if shape == "chain" else [t.A] for i in rest]
    closure = t.compiled(t.workflow(nodes=[t.node(), *(t.node(f"n{i}", inputs[i - 1]) for i in rest)]))
    compact(closure)
    digest.digest(closure)
    return len(closure.primary.template.nodes)


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_compiling_twice_the_nodes_is_twice_the_work(shape: str) -> None:
    assert compile_nodes(shape, COUNT) == COUNT + 2

    once, twice = (calls(partial(compile_nodes, shape, count)) for count in (COUNT, 2 * COUNT))

    assert twice < 2.1 * once
