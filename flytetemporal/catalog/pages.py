"""Pages and filters of the two lists."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog
from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute

from flytetemporal import errors
from flytetemporal.db.filters import parse_token

S = TypeVar("S", bound=Select[*tuple[Any, ...]])
Condition: TypeAlias = ColumnElement[bool]

DEFAULT_LIMIT = 50
# Each artifact of a page is read from the store.
MAX_LIMIT = 1000
# Bounds the size of a query; clients send a few filters.
_MAX_FILTERS = 100
_ENTITIES = {
    "tag_filter": "Tag",
    "partition_filter": "Partition",
    "artifact_filter": "Artifact",
    "dataset_filter": "Dataset",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    limit: int
    offset: int
    ascending: bool

    def apply(self, query: S, row_number: InstrumentedAttribute[int]) -> S:
        """Return the query with order, limit and offset. Rows are numbered in the order of their creation."""
        order = row_number.asc() if self.ascending else row_number.desc()
        return query.order_by(order).limit(self.limit).offset(self.offset)

    def next_token(self, rows: Sized) -> str:
        """Return the token of the next page. As in Flyte the last page has one, too: an empty page is the end."""
        return str(self.offset + len(rows))


def page(options: datacatalog.PaginationOptions, *, given: bool, method: str) -> Page:
    """Return the page that a request asks for.

    Flyte takes a limit of 0 literally, which lets clients that set only a token see nothing; here it is the default.

    Raises:
        InvalidRequest: the token was not made by ``Page.next_token``.
    """
    limit = min(options.limit or DEFAULT_LIMIT, MAX_LIMIT) if given else DEFAULT_LIMIT
    ascending = options.sortOrder == datacatalog.PaginationOptions.ASCENDING
    return Page(limit=limit, offset=parse_token(options.token.strip(" "), method), ascending=ascending)


def filters(expression: datacatalog.FilterExpression) -> Sequence[datacatalog.SinglePropertyFilter]:
    """Return the filters of a request. Raises ``InvalidRequest`` if there are too many."""
    if len(expression.filters) > _MAX_FILTERS:
        raise errors.InvalidRequest(f"invalid value for filter: more than {_MAX_FILTERS} filters")
    return expression.filters


def not_filterable(entity: str, kind: str | None) -> errors.InvalidRequest:
    """Return the error of a filter that a list does not know."""
    if kind is None:
        return errors.InvalidRequest("missing property_filter")
    return errors.InvalidRequest(f"{entity} cannot be filtered by {_ENTITIES[kind]} properties")
