"""Values of annotations are read with bounded work, and what is wrong with them is said in words of ours."""

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from flytetemporal.admin.settings import annotation_values
from flytetemporal.errors import InvalidRequest
from tests.fixtures import effort


@pytest.mark.parametrize("text", ["[" * 2000, "{" * 2000, "[{" * 30_000, "[[] " * 2000])
def test_deep_nesting_is_refused_before_it_costs_anything(text: str) -> None:
    def parse() -> None:
        with pytest.raises(InvalidRequest, match="x has more than 32 brackets within each other; flatten it"):
            annotation_values.parse("x", text)

    # PyYAML alone takes more than a million calls for 2 KB.
    assert effort.calls(parse) < 10 * len(text) + 1000


def test_what_is_not_nested_deeply_is_read() -> None:
    assert annotation_values.parse("x", "[[1], [2]]") == [[1], [2]]
    assert annotation_values.parse("x", "[{a: [1]}]") == [{"a": [1]}]
    flat = annotation_values.parse("x", "[" + ", ".join(["[1]"] * 500) + "]")
    assert flat == [[1]] * 500


@pytest.mark.parametrize("text", ["[", "a: b: c", "'", "[{task: 2020-99-99}]", "- " * 2000, "a: !!python/name:os.x ''"])
def test_what_is_not_yaml_is_refused_without_the_text_of_the_parser(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^x is not YAML(: see line \d+, column \d+)?$"):
        annotation_values.parse("x", text)


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    count: int = 0
    on: bool = False


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "x: give a mapping"),
        ({}, "x at name: it is missing"),
        ({"name": 1}, "x at name: give text"),
        ({"name": "a", "count": "many"}, "x at count: give a whole number"),
        ({"name": "a", "on": "often"}, "x at on: give true or false"),
        ({"name": "a", "nmae": "b"}, "x at nmae: there is no such field"),
    ],
)
def test_what_does_not_fit_is_said_without_the_text_of_a_library(value: object, expected: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        annotation_values.checked("x", value, TypeAdapter(Wanted))

    assert raised.value.message == expected
