"""Attributes, keys and elements of outputs: of dataclasses, pydantic models, dictionaries and lists, nested."""

from dataclasses import dataclass, field
from typing import Dict, List

from case import Case
from flytekit import task, workflow
from pydantic import BaseModel


@dataclass
class Inner:
    number: int = 1
    names: List[str] = field(default_factory=lambda: ["a", "b"])


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    sizes: Dict[str, int] = field(default_factory=lambda: {"k": 4})


class Model(BaseModel):
    number: int = 3
    tags: List[str] = ["p", "q"]


@task
def make_outer() -> Outer:
    return Outer()


@task
def make_model() -> Model:
    return Model()


@task
def make_lists() -> Dict[str, List[int]]:
    return {"x": [1, 2], "y": [30]}


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def join(a: str, b: str) -> str:
    return a + b


@task
def name_of(inner: Inner) -> str:
    return inner.names[-1]


@workflow
def of_outputs() -> (int, str, int, str):
    outer, model, lists = make_outer(), make_model(), make_lists()
    number = add(a=outer.inner.number, b=outer.sizes["k"])
    text = join(a=outer.inner.names[1], b=model.tags[0])
    return number, text, add(a=lists["x"][1], b=lists["y"][0]), name_of(inner=outer.inner)


@workflow
def of_inputs(outer: Outer, numbers: List[int]) -> int:
    return add(a=outer.inner.number, b=numbers[1])


@workflow
def too_far(numbers: List[int]) -> int:
    return add(a=numbers[5], b=1)


CASES = [
    Case(of_outputs, outputs={"o0": 5, "o1": "bp", "o2": 32, "o3": "b"}),
    Case(of_inputs, {"outer": Outer(inner=Inner(number=10)), "numbers": [1, 2]}, {"o0": 12}),
    Case(too_far, {"numbers": [1]}, phase="FAILED", code="BindingResolutionFailure"),
]
