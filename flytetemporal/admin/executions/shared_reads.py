"""Reads of single executions that arrive together share one statement.

Clients wait for an execution by asking for it, many of them at once. A read that arrives while a statement is under way
waits for the next one, with all others that do: no answer is older than its request, and the more clients ask, the less
a read costs.
"""

import asyncio
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, Text, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.base.execution_rows import SelectedColumns
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.errors import InvalidRequest, Unavailable
from flytetemporal.idl.identifiers import ExecutionKey

MAX_KEYS = 200
Sessions = async_sessionmaker[AsyncSession]
Found = SelectedColumns

_PARTS = ("project", "domain", "name")
_TABLE = ExecutionRow.__table__.c
# Arrays, since IN would make another statement for each number of keys.
_WANTED = func.unnest(*(bindparam(part, type_=ARRAY(Text)) for part in _PARTS)).table_valued(*_PARTS).render_derived()
_QUERY = select(
    *(_TABLE[f"execution_{part}"] for part in _PARTS), _TABLE.spec, _TABLE.closure, _TABLE.abort_cause
).join(_WANTED, and_(*(_TABLE[f"execution_{part}"] == _WANTED.c[part] for part in _PARTS)))
_of_sessions: "WeakKeyDictionary[Sessions, _Reads]" = WeakKeyDictionary()


async def execution(sessions: Sessions, key: ExecutionKey) -> Found | None:
    """Return key, spec, closure and abort cause of an execution; None if there is none."""
    reads = _of_sessions.get(sessions)
    if reads is None:
        reads = _of_sessions[sessions] = _Reads(sessions)
    return await reads.read(key)


class _Reads:
    """The reads on one database."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: dict[ExecutionKey, asyncio.Future[Found | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, key: ExecutionKey) -> Found | None:
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await asyncio.shield(answer)  # Several callers can wait for it, and one may be cancelled.

    async def _read_all(self) -> None:
        answers: dict[ExecutionKey, asyncio.Future[Found | None]] = {}
        try:
            while self._waiting:
                keys = list(self._waiting)[:MAX_KEYS]
                answers = {key: self._waiting.pop(key) for key in keys}
                await self._answer(answers)
        finally:
            self._reading = None
            # Not everything is an Exception that ends a statement: a cancellation is none. Its readers would wait for
            # ever, and so would those that have arrived since.
            for answer in (*answers.values(), *self._waiting.values()):
                _fail(answer, Unavailable("the read was cancelled; try again"))
            self._waiting.clear()

    async def _answer(self, answers: dict[ExecutionKey, "asyncio.Future[Found | None]"]) -> None:
        try:
            rows = {tuple(row)[:3]: row for row in await self._rows(list(answers))}
        except Exception as e:
            if len(answers) == 1 or not isinstance(e, InvalidRequest):
                for answer in answers.values():
                    _fail(answer, e)
                return
            for key, answer in answers.items():  # One key can be wrong, such as one with a NUL character.
                await self._answer({key: answer})
            return
        for key, answer in answers.items():
            answer.set_result(rows.get(key))

    async def _rows(self, keys: Sequence[ExecutionKey]) -> Sequence[Found]:
        async with self._sessions() as session:
            keys_by_part = {part: [key[position] for key in keys] for position, part in enumerate(_PARTS)}
            return (await session.execute(_QUERY, keys_by_part)).all()


def _fail(answer: "asyncio.Future[Found | None]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # Read, since its callers may all have been cancelled.
