import itertools
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from flytetemporal.compiler import graph

pairs = st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25)


def successors(edges: set[tuple[int, int]]) -> dict[int, list[int]]:
    found = defaultdict(list)
    for provider, consumer in sorted(edges):
        found[provider].append(consumer)
    return dict(found)


def closure(edges: set[tuple[int, int]], start: int) -> set[int]:
    found = {start}
    while more := {consumer for provider, consumer in edges if provider in found} - found:
        found |= more
    return found


@given(pairs)
def test_reachable_is_the_transitive_closure(edges: set[tuple[int, int]]) -> None:
    assert graph.reachable(0, successors(edges)) == closure(edges, 0)


@given(pairs)
def test_a_cycle_is_found_exactly_when_one_can_be_reached(edges: set[tuple[int, int]]) -> None:
    cycle = graph.find_cycle(0, successors(edges))

    cyclic = {
        key
        for key in closure(edges, 0)
        if any(key in closure(edges, after) for before, after in edges if before == key)
    }
    assert (cycle is not None) is bool(cyclic)
    if cycle is not None:
        assert cycle[0] == 0
        assert cycle[-1] in cycle[:-1]
        assert all(step in edges for step in itertools.pairwise(cycle))


def test_connections_are_sorted_and_without_repetition() -> None:
    edges = graph.Edges()
    for provider in ("b", "a", "b"):
        edges.add(provider, "n")
    edges.add_upstream("c", "n")

    connections = edges.connections()

    assert list(connections.upstream["n"].ids) == ["a", "b", "c"]
    assert {node_id: list(found.ids) for node_id, found in connections.downstream.items()} == {"a": ["n"], "b": ["n"]}
