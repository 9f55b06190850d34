"""Read the value of an annotation: YAML, checked against a type. What is wrong with it is said in our own words."""

import re
from collections.abc import Mapping
from typing import TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from flytetemporal.errors import InvalidRequest

# Parsing this much takes about a quarter of a second, in which admin answers no other request.
MAX_LENGTH = 64 * 1024
# Of lists and mappings in brackets. PyYAML's work grows with the square of the nesting.
MAX_NESTING = 32
_BRACKETS = re.compile(r"[\[\]{}]")
# What pydantic's kinds of errors mean; what they are about is in braces.
_TEXTS: Mapping[str, str] = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "value_error": "{error}",
    "literal_error": "give {expected}",
    "list_type": "give a list",
    "dict_type": "give a mapping",
    "model_type": "give a mapping",
    "string_type": "give text",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "finite_number": "give a finite number",
    "greater_than_equal": "give {ge} or more",
    "less_than_equal": "give {le} or less",
    "greater_than": "give more than {gt}",
    "less_than": "give less than {lt}",
    "string_too_long": "give at most {max_length} characters",
    "string_too_short": "give at least {min_length} characters",
    "too_long": "give at most {max_length} items",
    "string_pattern_mismatch": "it must match {pattern}",
}

T = TypeVar("T")


def parse(place: str, text: str) -> object:
    """Return the value of YAML. ``place`` names the annotation in errors.

    Raises:
        InvalidRequest: the text is no YAML, too long, or nested too deeply.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidRequest(f"{place} has {len(text)} characters, more than {MAX_LENGTH}; shorten it")
    if _nesting(text) > MAX_NESTING:
        raise InvalidRequest(f"{place} has more than {MAX_NESTING} brackets within each other; flatten it")
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        position = f": see line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidRequest(f"{place} is not YAML{position}") from e
    # PyYAML raises ValueError for an impossible date, and recurses into nested lists.
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise InvalidRequest(f"{place} is not YAML") from e


def checked(place: str, value: object, adapter: TypeAdapter[T]) -> T:
    """Return a value as its type has it. Raises ``InvalidRequest``."""
    try:
        return adapter.validate_python(value)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        position = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{place}{f' at {position}' if position else ''}: {_meaning(first)}") from e


def _nesting(text: str) -> int:
    """Return how many brackets are open at once at most. Those in quotes count, too."""
    deepest = depth = 0
    for found in _BRACKETS.finditer(text):
        depth = depth + 1 if found[0] in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _meaning(problem: ErrorDetails) -> str:
    text = _TEXTS.get(problem["type"])
    return problem["msg"] if text is None else text.format(**problem.get("ctx", {}))
