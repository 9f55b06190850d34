"""What all lists share: Flyte's filter grammar, sort keys and page tokens, as SQL clauses.

Which columns a list knows, and what it joins, is data (``Entity``). Grammar and texts mirror flyteadmin's
pkg/manager/impl/util/filters.go and pkg/common/{filters,sorting}.go. Unlike there, a joined entity is a sub-query, so a
row is listed once however many of its tags match, and a value that does not fit its column is the caller's mistake.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from flyteidl.admin import common_pb2
from sqlalchemy import ARRAY, ColumnElement, LargeBinary, Select, String, all_, any_, exists, literal

from flytetemporal import errors
from flytetemporal.db import filter_values

S = TypeVar("S", bound=Select[Any])
Columns = Mapping[str, ColumnElement[Any]]
"""Columns by the name that clients know."""

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
"""Every entity that a filter may name, and how error messages call it."""

_TOKEN = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_LARGEST_OFFSET = 2**63 - 1
_MAX_FILTERS = 100


@dataclass(frozen=True, slots=True)
class Join:
    """Another entity that filters of a list may name. ``table`` groups the prefixes that speak of one row."""

    table: str
    on: ColumnElement[bool]
    columns: Columns


@dataclass(frozen=True, slots=True)
class Entity:
    """What a list shows. ``rewrites`` names columns whose filters mean another column."""

    name: str
    columns: Columns
    order: Sequence[ColumnElement[Any]]
    joins: Mapping[str, Join] = field(default_factory=lambda: MappingProxyType({}))
    rewrites: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: what to add to its query, and the token of the page after it."""

    limit: int
    offset: int
    conditions: Sequence[ColumnElement[bool]]
    order: Sequence[ColumnElement[Any]]
    filtered_columns: frozenset[str]

    def apply(self, query: S) -> S:
        """Return the query of this page, filtered, sorted and cut."""
        return self.cut(query.where(*self.conditions).order_by(*self.order))

    def cut(self, query: S) -> S:
        """Return the query with only limit and offset applied."""
        return query.limit(self.limit or None).offset(self.offset)

    def filters_on(self, column: str) -> bool:
        """Say whether some filter names the column, without a prefix."""
        return column in self.filtered_columns

    def next_token(self, rows: Sized) -> str:
        """Return the token of the page after ``rows``; empty when this page is not full."""
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
        InvalidRequest: limit, token, a filter or the sort key is wrong.
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
        InvalidRequest: the token is none of ours.
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
    """Return function, field and values. The last comma separates the two, the last parenthesis ends the expression."""
    close = expression.rfind(")")
    comma = expression.rfind(",", 0, max(close - 1, 0))
    opening = expression.rfind("(", 0, max(comma - 1, 0))
    if opening < 1 or "\0" in expression:
        raise errors.InvalidRequest("invalid value for filters")
    value = expression[comma + 1 : close]
    value = value[1:] if len(value) > 1 and value[0].isspace() else value
    return expression[:opening], expression[opening + 1 : comma], value.split(";")


def _resolve(entity: Entity, target: str) -> tuple[Join | None, str, ColumnElement[Any]]:
    """Return the column that a filter names, and the entity it belongs to unless that is the list's own."""
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
    """Return the clauses; those of one joined entity must hold for one and the same row of it."""
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
    # Rows that sort the same keep their order from page to page, and the oldest of them comes first when ascending.
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
        if not isinstance(column.type, (String, LargeBinary)):
            raise errors.InvalidRequest(f"invalid value for filters: {name} is no text")
        wanted = pattern(_unescaped_end(_only(name, values)))
        return operator(column, literal(filter_values.parse(column.type, name, wanted), column.type))

    return compare


def _among(operator: Callable[[ColumnElement[Any], Any], ColumnElement[bool]]) -> _Compare:
    def compare(column: ColumnElement[Any], name: str, values: list[str]) -> ColumnElement[bool]:
        # One array instead of many parameters, whose number is limited.
        wanted = [filter_values.parse(column.type, name, value) for value in values]
        return operator(column, literal(wanted, ARRAY(column.type)))

    return compare


def _only(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise errors.InvalidRequest(f"invalid value for filters: {name} is compared with more than one value")
    return values[0]


def _unescaped_end(pattern: str) -> str:
    """Return a pattern that does not end in half an escape sequence, which the database would refuse."""
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" if backslashes % 2 else pattern


def _operator(text: str) -> Callable[[ColumnElement[Any], Any], ColumnElement[bool]]:
    """Return a comparison that SQLAlchemy takes for every column: it knows no LIKE of bytes, which Postgres has."""
    return lambda column, value: column.bool_op(text)(value)


_LIKE, _NOT_LIKE = _operator("LIKE"), _operator("NOT LIKE")

_FUNCTIONS: Mapping[str, _Compare] = {
    "eq": _single(lambda column, value: column == value),
    "ne": _single(lambda column, value: column != value),
    "gt": _single(lambda column, value: column > value),
    "gte": _single(lambda column, value: column >= value),
    "lt": _single(lambda column, value: column < value),
    "lte": _single(lambda column, value: column <= value),
    "contains": _like(lambda value: f"%{value}%", _LIKE),
    "not_like": _like(lambda value: value, _NOT_LIKE),
    "value_in": _among(lambda column, values: column == any_(values)),
    "value_not_in": _among(lambda column, values: column != all_(values)),
}
