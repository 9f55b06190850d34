"""Tasks and workflows: named outputs, several outputs, constants, unused outputs, single tasks."""

import os
from typing import List, NamedTuple, Tuple

from case import Case, Run
from flytekit import task, workflow


class Division(NamedTuple):
    quotient: int
    remainder: int


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def divide(a: int, b: int) -> Division:
    return Division(a // b, a % b)


@task
def both(a: int) -> Tuple[int, str]:
    return a + 1, str(a)


@task
def count(words: List[str]) -> int:
    return len(words)


@task
def nothing(a: int) -> None:
    print(a)


@task
def shout(text: str) -> str:
    return text.upper()


@task(environment={"COLOUR": "red"})
def colour() -> str:
    return os.environ["COLOUR"]


@workflow
def diamond(a: int = 1) -> int:
    top = add(a=a)
    return add(a=add(a=top, b=10), b=add(a=top, b=20))


@workflow
def named(a: int = 17, b: int = 5) -> Division:
    add(a=a, b=3)  # Its output is not used.
    divided = divide(a=a, b=b)
    return Division(divided.quotient, divided.remainder)


@workflow
def lists_of_promises(a: int) -> Tuple[int, str, int]:
    number, text = both(a=a)
    nothing(a=number)
    return number, text, count(words=[text, "constant", text])


@workflow
def passed_on(a: int, text: str = "as it is") -> Tuple[int, str, int]:
    """Inputs and constants can be outputs; Flyte only refuses a workflow without any node."""
    nothing(a=a)
    return a, text, 5


@workflow
def around_it(a: int) -> Tuple[int, str]:
    passed, text, five = passed_on(a=a)
    return add(a=passed, b=five), shout(text=text)


@workflow
def told_the_colour() -> str:
    return colour()


@workflow
def without_outputs(a: int):
    nothing(a=a)


def shows_one_node(run: Run) -> None:
    (node,) = [node for name, node in run.nodes().items() if name not in ("start-node", "end-node")]
    assert len(run.attempts(node.id.node_id)) == 1


CASES = [
    Case(diamond, outputs={"o0": 34}),
    Case(named, {"a": 23}, {"quotient": 4, "remainder": 3}),
    Case(lists_of_promises, {"a": 6}, {"o0": 7, "o1": "6", "o2": 3}),
    Case(passed_on, {"a": 3}, {"o0": 3, "o1": "as it is", "o2": 5}),
    Case(around_it, {"a": 3}, {"o0": 8, "o1": "AS IT IS"}),
    Case(told_the_colour, outputs={"o0": "red"}),
    Case(without_outputs, {"a": 1}),
    Case(add, {"a": 4, "b": 5}, {"o0": 9}, check=shows_one_node),
]
