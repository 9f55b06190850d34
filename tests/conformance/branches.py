"""Branches: several conditions, and/or, truth and None, a message if no case matches, nested, to workflows."""

from typing import Optional

from case import Case, NodePhase, Run
from flytekit import conditional, task, workflow


@task
def greet(name: str) -> str:
    return f"hello {name}"


@task
def is_big(a: int) -> bool:
    return a > 10


@task
def increment(a: int) -> int:
    return a + 1


@workflow
def increment_twice(a: int) -> int:
    return increment(a=increment(a=a))


@workflow
def by_size(a: int) -> str:
    return (
        conditional("size")
        .if_(a < 0)
        .then(greet(name="negative"))
        .elif_((a == 0) | ((a > 1) & (a < 10)))
        .then(greet(name="small"))
        .else_()
        .then(greet(name="other"))
    )


@workflow
def or_fail(a: int) -> str:
    return conditional("must").if_(a > 10).then(greet(name="large")).else_().fail("a is too small")


@workflow
def nested(a: int) -> str:
    big = is_big(a=a)
    return (
        conditional("outer")
        .if_(big.is_true())
        .then(greet(name="big"))
        .else_()
        .then(conditional("inner").if_(a == 3).then(greet(name="three")).else_().then(greet(name="other")))
    )


@workflow
def to_workflow(a: int) -> int:
    return increment(
        a=conditional("which").if_(a > 10).then(increment_twice(a=a)).else_().then(increment(a=a)),
    )


@workflow
def of_none(a: Optional[int] = None) -> str:
    return conditional("none").if_(a.is_none()).then(greet(name="nobody")).else_().then(greet(name="somebody"))


def took_one(run: Run) -> None:
    below = run.nodes("n0")
    assert [node.closure.phase for node in below.values()] == [NodePhase.SUCCEEDED]


CASES = [
    Case(by_size, {"a": -1}, {"o0": "hello negative"}),
    Case(by_size, {"a": 5}, {"o0": "hello small"}, check=took_one),
    Case(by_size, {"a": 1}, {"o0": "hello other"}),
    Case(or_fail, {"a": 11}, {"o0": "hello large"}),
    Case(or_fail, {"a": 1}, phase="FAILED", code="UserProvidedError", error="a is too small"),
    Case(nested, {"a": 3}, {"o0": "hello three"}),
    Case(nested, {"a": 12}, {"o0": "hello big"}),
    Case(to_workflow, {"a": 20}, {"o0": 23}),
    Case(of_none, outputs={"o0": "hello nobody"}),
    Case(of_none, {"a": 1}, {"o0": "hello somebody"}),
]
