"""Reads of single executions that arrive together share a statement, and none gets another one's answer."""

import asyncio

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.executions import shared_reads, workflow_executions
from tests.fixtures import effort
from tests.fixtures.waiting import bounded

Maker = async_sessionmaker[AsyncSession]


@pytest.fixture(autouse=True)
async def _recorded(sessions: Maker) -> None:
    async with sessions.begin() as session:
        session.add_all(
            ExecutionRow(
                execution_project=f"p{number % 3}",
                execution_domain="d",
                execution_name=f"e{number}",
                spec=b"",
                closure=execution_pb2.ExecutionClosure(phase="RUNNING").SerializeToString(),
            )
            for number in range(300)
        )


async def get(deps: Dependencies, name: str, project: str | None = None) -> execution_pb2.Execution:
    project = f"p{int(name[1:]) % 3}" if project is None else project
    identifier = identifier_pb2.WorkflowExecutionIdentifier(project=project, domain="d", name=name)
    return await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=identifier))


async def test_reads_that_arrive_together_share_a_statement(deps: Dependencies) -> None:
    with effort.statements(deps.sessions) as sent:
        found = await asyncio.gather(*(get(deps, f"e{number}") for number in range(100)), get(deps, "e7"))

    assert [execution.id.name for execution in found] == [*(f"e{number}" for number in range(100)), "e7"]
    assert len(sent) == 1


async def test_more_reads_than_fit_into_a_statement_are_answered_by_several(deps: Dependencies) -> None:
    with effort.statements(deps.sessions) as sent:
        found = await asyncio.gather(*(get(deps, f"e{number}") for number in range(300)))

    assert [execution.id.name for execution in found] == [f"e{number}" for number in range(300)]
    assert len(sent) == -(-300 // shared_reads.MAX_KEYS)


async def test_an_answer_is_never_older_than_its_request(deps: Dependencies) -> None:
    others = [asyncio.create_task(get(deps, f"e{number % 300}")) for number in range(2000)]
    closure = execution_pb2.ExecutionClosure(phase="SUCCEEDED").SerializeToString()
    async with deps.sessions.begin() as session:
        await session.execute(update(ExecutionRow).values(closure=closure))

    assert (await get(deps, "e5")).closure.phase == 4
    await asyncio.gather(*others)


async def test_reads_that_fail_do_not_fail_those_next_to_them(deps: Dependencies) -> None:
    calls = [get(deps, "e1"), get(deps, "e2", "p0"), get(deps, "e1", "p\0"), get(deps, "e4")]
    first, absent, wrong, last = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(absent, errors.NotFound)
    assert isinstance(wrong, errors.InvalidRequest)
    assert isinstance(first, execution_pb2.Execution)
    assert isinstance(last, execution_pb2.Execution)
    assert (first.id.name, last.id.name) == ("e1", "e4")


async def test_a_cancelled_read_leaves_others_of_the_same_execution_alone(deps: Dependencies) -> None:
    cancelled, other = (asyncio.create_task(get(deps, "e1")) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()

    assert (await other).id.name == "e1"


async def blocked(sessions: Maker) -> int:
    """Return the server process that waits for a lock, when there is one."""
    query = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    while True:
        async with sessions() as session:
            pid = await session.scalar(query)
        if pid is not None:
            return int(pid)
        await asyncio.sleep(0.01)


async def test_reads_whose_connection_fails_are_all_unavailable_and_the_next_one_is_answered(
    deps: Dependencies,
) -> None:
    async with deps.sessions.begin() as blocking:
        await blocking.execute(text("LOCK TABLE executions IN ACCESS EXCLUSIVE MODE"))
        reads = [asyncio.create_task(get(deps, name)) for name in ("e1", "e2", "e1")]
        pid = await bounded(blocked(deps.sessions))
        await blocking.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        failed = await asyncio.gather(*reads, return_exceptions=True)

    assert [type(error) for error in failed] == [errors.Unavailable] * 3
    assert (await get(deps, "e1")).id.name == "e1"


async def test_reads_of_which_the_first_is_cancelled_while_the_statement_waits_are_answered(
    deps: Dependencies,
) -> None:
    async with deps.sessions.begin() as blocking:
        await blocking.execute(text("LOCK TABLE executions IN ACCESS EXCLUSIVE MODE"))
        first = asyncio.create_task(get(deps, "e1"))
        await bounded(blocked(deps.sessions))
        joined, same = asyncio.create_task(get(deps, "e2")), asyncio.create_task(get(deps, "e1"))
        await asyncio.sleep(0)
        first.cancel()
        same.cancel()

    assert (await joined).id.name == "e2"
    ended = await asyncio.gather(first, same, return_exceptions=True)
    assert [type(error) for error in ended] == [asyncio.CancelledError] * 2


async def test_readers_do_not_wait_for_ever_if_the_read_is_cancelled(deps: Dependencies) -> None:
    async with deps.sessions.begin() as blocking:
        await blocking.execute(text("LOCK TABLE executions IN ACCESS EXCLUSIVE MODE"))
        first = asyncio.create_task(get(deps, "e1"))
        await bounded(blocked(deps.sessions))
        later = asyncio.create_task(get(deps, "e2"))
        await asyncio.sleep(0)
        reading = shared_reads._of_sessions[deps.sessions]._reading
        assert reading is not None
        reading.cancel()
        with pytest.raises(errors.Unavailable):
            await first
        with pytest.raises(errors.Unavailable):
            await later

    assert (await get(deps, "e1")).id.name == "e1"
