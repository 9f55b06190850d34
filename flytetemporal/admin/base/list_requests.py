"""The page that a list request asks for."""

from typing import Protocol

from flyteidl.admin import common_pb2

from flytetemporal.db import filters


class ListRequest(Protocol):
    """The fields that Flyte's list requests have in common."""

    @property
    def limit(self) -> int:
        """The largest number of rows."""

    @property
    def token(self) -> str:
        """The token of an earlier page; empty for the first page."""

    @property
    def filters(self) -> str:
        """Flyte's filter expressions, joined with ``+``."""

    @property
    def sort_by(self) -> common_pb2.Sort:
        """The column to sort by."""


def page(request: ListRequest, entity: filters.Entity, method: str, *, unlimited: bool = False) -> filters.Page:
    """Return the page that a request for ``entity`` asks for. ``unlimited``: a limit of 0 means all rows.

    Raises:
        InvalidRequest: the limit, token (the text names ``method``), filters or sort key is wrong.
    """
    return filters.page(
        limit=request.limit,
        token=request.token,
        filters=request.filters,
        sort_by=request.sort_by,
        entity=entity,
        method=method,
        unlimited=unlimited,
    )
