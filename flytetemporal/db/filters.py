"""Flyte's filters, sort keys and page tokens as SQL clauses, for all lists.

The columns of a list and its joins are data (``Entity``). Grammar and texts mirror flyteadmin's
pkg/manager/impl/util/filters.go and pkg/common/{filters,sorting}.go. Unlike there, a joined entity is a subquery, so
a row is listed once even if several of its tags match, and a value that does not fit its column is INVALID_ARGUMENT.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from flyteidl.admin import common_pb2
from sqlalchemy import ARRAY, ColumnElement, Select, String, all_, any_, exists, literal

from flytetemporal import errors
from flytetemporal.db import filter_values

S = TypeVar("S", bound=Select[Any])
Columns = Mapping[str, ColumnElement[Any]]
"""Columns by the name that filters and sort keys use."""

SHORT_NAMES = {
    "execution": "e",
    "launch_plan": "l",
    "node_execution": "ne",
    "task": "t",
    "task_execution": "te",
    "workflow": "w",
    "entities": "nen",
    "named_entity_metadata": "nem",
    "project": "p",
    "signal": "s",
    "admin_tag": "at",
    "execution_admin_tag": "eat",
    "execution_tag": "et",
}
"""The entities that a filter can name, with their names in error texts."""

_TOKEN = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_LARGEST_OFFSET = 2**63 - 1
# Bounds the size of a query; clients send a few filters.
_MAX_FILTERS = 100


@dataclass(frozen=True, slots=True)
class Join:
    """Another entity that the filters of a list can name. Prefixes with the same ``table`` mean the same row."""

    table: str
    on: ColumnElement[bool]
    columns: Columns


@dataclass(frozen=True, slots=True)
class Entity:
    """The schema of a list. ``rewrites`` maps columns whose filters mean another column to that column."""

    name: str
    columns: Columns
    order: Sequence[ColumnElement[Any]]
    joins: Mapping[str, Join] = field(default_factory=lambda: MappingProxyType({}))
    rewrites: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: the clauses to add to the query."""

    limit: int
    offset: int
    conditions: Sequence[ColumnElement[bool]]
    order: Sequence[ColumnElement[Any]]
    filtered_columns: frozenset[str]

    def apply(self, query: S) -> S:
        """Return the query with filters, order, limit and offset."""
        return self.cut(query.where(*self.conditions).order_by(*self.order))

    def cut(self, query: S) -> S:
        """Return the query with limit and offset only."""
        return query.limit(self.limit or None).offset(self.offset)

    def filters_on(self, column: str) -> bool:
        """Whether a filter names the column of the list's own entity."""
        return column in self.filtered_columns

    def next_token(self, rows: Sized) -> str:
        """Return the token of the page after ``rows``; empty if this page is not full."""
        return str(self.offset + len(rows)) if self.limit and len(rows) == self.limit else ""


def page(
    *,
    limit: int,
    token: str,
    filters: str,
    sort_by: common_pb2.Sort,
    entity: Entity,
    method: str,
    unlimited: bool = False,
) -> Page:
    """Return the page that a list request asks for. ``unlimited``: a limit of 0 means all rows.

    Raises:
        InvalidRequest: the limit, token, a filter or the sort key is wrong.
    """
    check_limit(limit, unlimited=unlimited)
    parsed = [_parse(entity, expression) for expression in _split(filters)]
    return Page(
        limit=limit,
        offset=parse_token(token, method),
        conditions=_conditions(entity, parsed),
        order=_order(entity, sort_by),
        filtered_columns=frozenset(one.column for one in parsed if one.join is None),
    )


def check_limit(limit: int, *, unlimited: bool = False) -> None:
    """Refuse a limit that is not positive. Raises ``InvalidRequest``."""
    if limit < 0 or (limit == 0 and not unlimited):
        raise errors.InvalidRequest("invalid value for limit")


def parse_token(token: str, method: str) -> int:
    """Return the offset that a page token stands for.

    Raises:
        InvalidRequest: the token was not made by ``Page.next_token``.
    """
    if not token:
        return 0
    offset = int(token) if _TOKEN.fullmatch(token) else -1
    if not 0 <= offset <= _LARGEST_OFFSET:
        raise errors.InvalidRequest(f"invalid pagination token {token} for {method}")
    return offset


@dataclass(frozen=True, slots=True)
class _Filter:
    column: str
    join: Join | None
    clause: ColumnElement[bool]


def _split(filters: str) -> list[str]:
    if not filters:
        return []
    expressions = filters.split("+")
    if len(expressions) > _MAX_FILTERS:
        raise errors.InvalidRequest(f"invalid value for filters: more than {_MAX_FILTERS} expressions")
    return expressions


def _parse(entity: Entity, expression: str) -> _Filter:
    function, target, values = _pieces(expression)
    compare = _FUNCTIONS.get(function)
    if compare is None:
        raise errors.InvalidRequest(f"unrecognized filter function: {function}")
    join, name, column = _resolve(entity, target)
    return _Filter(column=name, join=join, clause=compare(column, target, values))


def _pieces(expression: str) -> tuple[str, str, list[str]]:
    """Return function, field and values. As in Flyte, the last comma and the last parenthesis delimit the values."""
    close = expression.rfind(")")
    comma = expression.rfind(",", 0, max(close - 1, 0))
    opening = expression.rfind("(", 0, max(comma - 1, 0))
    if opening < 1 or "\0" in expression:
        raise errors.InvalidRequest("invalid value for filters")
    value = expression[comma + 1 : close]
    value = value[1:] if len(value) > 1 and value[0].isspace() else value
    return expression[:opening], expression[opening + 1 : comma], value.split(";")


def _resolve(entity: Entity, target: str) -> tuple[Join | None, str, ColumnElement[Any]]:
    """Return join, name and column of the field of a filter; no join if the column is of the list's own entity."""
    prefix, dot, name = target.partition(".")
    if not dot or prefix not in SHORT_NAMES:
        prefix, name = entity.name, target
    short = SHORT_NAMES[prefix]
    join = None if prefix == entity.name else entity.joins.get(prefix)
    if join is None and prefix != entity.name:
        raise errors.InvalidRequest(f"'{short}' entity is not allowed in filters")
    columns = entity.columns if join is None else join.columns
    if name not in columns:
        raise errors.InvalidRequest(f"'{short}.{name}' is invalid filter")
    meant = entity.rewrites.get(name, name) if join is None else name
    return join, meant, columns[meant]


def _conditions(entity: Entity, parsed: Sequence[_Filter]) -> list[ColumnElement[bool]]:
    """Return the clauses. Those of one joined entity must hold for the same row of it."""
    own = [one.clause for one in parsed if one.join is None]
    joined: dict[str, list[ColumnElement[bool]]] = {}
    for one in parsed:
        if one.join is not None:
            joined.setdefault(one.join.table, [one.join.on]).append(one.clause)
    tables = {column.table for column in entity.columns.values() if hasattr(column, "table")}
    return own + [exists().where(*clauses).correlate(*tables) for clauses in joined.values()]


def _order(entity: Entity, sort_by: common_pb2.Sort) -> Sequence[ColumnElement[Any]]:
    if not sort_by.key:
        return entity.order
    column = entity.columns.get(sort_by.key)
    if column is None:
        raise errors.InvalidRequest(f"invalid sort key '{sort_by.key}'")
    ascending = sort_by.direction == common_pb2.Sort.ASCENDING
    # Pages are cut by offset, so rows with equal keys need a fixed order: oldest first if ascending, else newest first.
    row = entity.columns.get("id")
    tie = [row.asc()] if ascending and row is not None else entity.order
    return [column.asc() if ascending else column.desc(), *tie]


_Compare = Callable[[ColumnElement[Any], str, list[str]], ColumnElement[bool]]


def _single(operator: Callable[[ColumnElement[Any], Any], ColumnElement[bool]]) -> _Compare:
    def compare(column: ColumnElement[Any], name: str, values: list[str]) -> ColumnElement[bool]:
        return operator(column, filter_values.parse(column.type, name, _only(name, values)))

    return compare


def _like(
    pattern: Callable[[str], str], operator: Callable[[ColumnElement[Any], Any], ColumnElement[bool]]
) -> _Compare:
    def compare(column: ColumnElement[Any], name: str, values: list[str]) -> ColumnElement[bool]:
        if not isinstance(column.type, String):
            raise errors.InvalidRequest(f"invalid value for filters: {name} is not a text column")
        wanted = pattern(_unescaped_end(_only(name, values)))
        return operator(column, literal(filter_values.parse(column.type, name, wanted), column.type))

    return compare


def _among(operator: Callable[[ColumnElement[Any], Any], ColumnElement[bool]]) -> _Compare:
    def compare(column: ColumnElement[Any], name: str, values: list[str]) -> ColumnElement[bool]:
        # One array parameter: Postgres limits a statement to 65,535 parameters.
        wanted = [filter_values.parse(column.type, name, value) for value in values]
        return operator(column, literal(wanted, ARRAY(column.type)))

    return compare


def _only(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise errors.InvalidRequest(f"invalid value for filters: {name} is compared with more than one value")
    return values[0]


def _unescaped_end(pattern: str) -> str:
    """Return a pattern that does not end in an incomplete escape sequence, which Postgres refuses."""
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" if backslashes % 2 else pattern


_FUNCTIONS: Mapping[str, _Compare] = {
    "eq": _single(lambda column, value: column == value),
    "ne": _single(lambda column, value: column != value),
    "gt": _single(lambda column, value: column > value),
    "gte": _single(lambda column, value: column >= value),
    "lt": _single(lambda column, value: column < value),
    "lte": _single(lambda column, value: column <= value),
    "contains": _like(lambda value: f"%{value}%", lambda column, value: column.like(value)),
    "not_like": _like(lambda value: value, lambda column, value: column.not_like(value)),
    "value_in": _among(lambda column, values: column == any_(values)),
    "value_not_in": _among(lambda column, values: column != all_(values)),
}
