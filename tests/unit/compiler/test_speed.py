"""Large workflows compile in a time that nobody notices; the bounds leave room for a busy machine."""

import time

import pytest

from flytetemporal.compiler.compact import compact
from flytetemporal.idl import digest
from tests.fixtures import templates as t


@pytest.mark.parametrize(("count", "limit_seconds"), [(1_000, 0.4), (10_000, 4)])
@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_compiling_a_large_workflow_is_fast(count: int, limit_seconds: float, shape: str) -> None:
    rest = range(1, count)
    inputs = [[t.bind("a", t.promise(f"n{i - 1}", "o0"))] if shape == "chain" else [t.A] for i in rest]
    template = t.workflow(nodes=[t.node(), *(t.node(f"n{i}", inputs[i - 1]) for i in rest)])

    started = time.process_time()
    closure = t.compiled(template)
    compact(closure)
    digest.digest(closure)
    elapsed = time.process_time() - started

    assert len(closure.primary.template.nodes) == count + 2
    assert elapsed < limit_seconds
