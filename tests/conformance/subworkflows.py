"""Subworkflows: values and failures pass through, and the nodes are listed below their parent."""

from case import Case, Run
from flytekit import task, workflow


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def fail(text: str) -> int:
    if text:
        raise ValueError(text)
    return 0


@workflow
def inner(a: int) -> int:
    return add(a=add(a=a), b=2)


@workflow
def middle(a: int) -> int:
    return inner(a=add(a=a, b=100))


@workflow
def outer(a: int) -> int:
    return add(a=middle(a=a), b=inner(a=a))


@workflow
def failing(text: str) -> int:
    return fail(text=text)


@workflow
def failing_below(text: str) -> int:
    return add(a=failing(text=text))


def lists_each_level(run: Run) -> None:
    top = run.nodes()
    assert top["n0"].metadata.is_parent_node
    assert not top["n2"].metadata.is_parent_node
    assert set(run.nodes("n0")) == {"n0-0-start-node", "n0-0-n0", "n0-0-n1", "n0-0-end-node"}
    assert {"n0-0-n1-0-n0", "n0-0-n1-0-n1"} <= set(run.nodes("n0-0-n1"))


CASES = [
    Case(outer, {"a": 1}, {"o0": 108}, check=lists_each_level),
    Case(failing_below, {"text": "deep"}, phase="FAILED", code="USER:RuntimeError", error="ValueError: deep"),
]
