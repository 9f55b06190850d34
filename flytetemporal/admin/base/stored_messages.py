"""Messages that rows hold as bytes, and what becomes of a row that can no longer be read.

Requests are bounded, see ``idl/bounds``. Rows that were stored before that may hold messages nested so deep that they
do not parse, or that no client could parse them inside a list.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import structlog
from google.protobuf.message import DecodeError, Message
from prometheus_client import Counter

from flytetemporal.errors import FailedPrecondition, Internal
from flytetemporal.storage.blobs import BlobStore

UNREADABLE = Counter("flytetemporal_unreadable_rows_total", "Rows that were left out of lists, by table.", ["table"])

M = TypeVar("M", bound=Message)
R = TypeVar("R")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class UnreadableRow(FailedPrecondition):
    """A stored message cannot be read: it is damaged or nested too deep."""


def parse(kind: type[M], data: bytes) -> M:
    """Return a message that a row holds. Raises ``UnreadableRow``."""
    try:
        return kind.FromString(data)
    except DecodeError as e:
        raise _unreadable(kind) from e


def merge(message: Message, data: bytes) -> None:
    """Merge what a row holds into a message. Raises ``UnreadableRow``."""
    try:
        message.MergeFromString(data)
    except DecodeError as e:
        raise _unreadable(type(message)) from e


def read(row: R, build: Callable[[R], M]) -> M:
    """Return the message of a row. Raises ``UnreadableRow`` if clients could not parse it."""
    try:
        return checked(build(row))
    except DecodeError as e:  # Protobuf parses again where it copies a message into another one.
        raise UnreadableRow("the stored message cannot be read: it is damaged or nested too deep") from e


def checked(message: M, within: Message | None = None) -> M:
    """Return a message if clients can parse it, ``within`` a list that contains it or alone.

    Raises:
        UnreadableRow: it is nested deeper than parsers of protobuf go.
    """
    outer = message if within is None else within
    try:
        type(outer).FromString(outer.SerializeToString())
    except DecodeError as e:
        raise _unreadable(type(message)) from e
    return message


def readable(rows: Iterable[R], build: Callable[[R], M], listed: Callable[[list[M]], Message]) -> list[M]:
    """Return the messages of the rows that clients can read; the others are logged and counted.

    ``listed`` makes the list message that clients get.
    """
    return [message for _, message in _readable(rows, build, listed)]


def readable_rows(rows: Iterable[R], build: Callable[[R], M], listed: Callable[[list[M]], Message]) -> list[R]:
    """Return the rows whose messages clients can read, as ``readable`` does."""
    return [row for row, _ in _readable(rows, build, listed)]


def _readable(
    rows: Iterable[R], build: Callable[[R], M], listed: Callable[[list[M]], Message]
) -> Iterator[tuple[R, M]]:
    for row in rows:
        try:
            message = build(row)
            checked(message, listed([message]))
        except (UnreadableRow, DecodeError) as e:
            table = getattr(row, "__tablename__", "")
            UNREADABLE.labels(table).inc()
            _log.warning("row_unreadable", table=table, row=getattr(row, "id", None), error=str(e))
        else:
            yield row, message


async def load(blobs: BlobStore, uri: str, kind: type[M]) -> M:
    """Return a message that a file holds. Raises ``UnreadableRow``, and what the store raises."""
    try:
        return await blobs.read_message(uri, kind)
    except Internal as e:
        if isinstance(e.__cause__, DecodeError):
            raise _unreadable(kind) from e
        raise


def _unreadable(kind: type[Message]) -> UnreadableRow:
    return UnreadableRow(
        f"the stored {kind.DESCRIPTOR.name} cannot be read: it is damaged or nested too deep; "
        "register or launch it again"
    )
