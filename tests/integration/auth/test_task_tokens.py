"""Tokens of task attempts: what they may do, and that they end with their attempt."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from flyteidl.core import identifier_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.sign_in import task_tokens
from flytetemporal.auth.identity import Identity, Kind, Restriction
from flytetemporal.auth.server.task_tokens import TaskAttempt
from flytetemporal.cli.wiring.sign_in import own_server
from flytetemporal.contracts.v1 import task_tokens_pb2
from flytetemporal.errors import FailedPrecondition, InvalidRequest, Unauthenticated
from flytetemporal.rpc.callers import Presented
from tests.fixtures import sign_in
from tests.fixtures.installation import Installation
from tests.fixtures.registrations import DOMAIN, PROJECT
from tests.fixtures.sign_in import SignInServer
from tests.fixtures.waiting import HANG_SECONDS

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def running(tmp_path: Path, sessions: Sessions) -> AsyncIterator[SignInServer]:
    async with sign_in.serving(sign_in.settings(tmp_path), sessions) as found:
        yield found


@pytest.fixture
def deps(running: SignInServer, installation: Installation, sessions: Sessions) -> Dependencies:
    return dataclasses.replace(installation.deps, task_tokens=own_server.task_tokens(running.settings, sessions))


def request(execution: identifier_pb2.WorkflowExecutionIdentifier) -> task_tokens_pb2.IssueTaskTokenRequest:
    node = identifier_pb2.NodeExecutionIdentifier(execution_id=execution, node_id="n0")
    return task_tokens_pb2.IssueTaskTokenRequest(node_execution_id=node, attempt=1)


async def whose(running: SignInServer, token: str) -> Identity | None:
    return await running.own.tokens.authenticate(Presented(authorization=f"Bearer {token}"))


async def refusal(running: SignInServer, token: str) -> str:
    """Return why a token is refused, once it is: an ended attempt is known within two seconds."""
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            try:
                await whose(running, token)
            except Unauthenticated as e:
                return e.message
            await asyncio.sleep(0.05)


async def test_the_token_of_an_attempt_is_good_for_its_project_and_domain(
    running: SignInServer, deps: Dependencies, installation: Installation
) -> None:
    execution = await installation.record("waits")

    issued = await task_tokens.issue(deps, request(execution))

    found = await whose(running, issued.token)
    assert found is not None
    assert found.kind is Kind.TASK
    assert found.subject == f"{PROJECT}/{DOMAIN}/{execution.name}/n0/1"
    assert found.restriction == Restriction("developer", PROJECT, DOMAIN)
    assert found.expires_at is not None
    assert int(found.expires_at.timestamp()) == issued.expires_at.seconds


async def test_the_token_ends_with_its_execution(
    running: SignInServer, deps: Dependencies, installation: Installation, sessions: Sessions
) -> None:
    execution = await installation.record("waits")
    token = (await task_tokens.issue(deps, request(execution))).token
    assert await whose(running, token) is not None

    async with sessions.begin() as session:
        await session.execute(text("update executions set phase = 'SUCCEEDED'"))

    assert await refusal(running, token) == (
        f"the attempt of node [n0] of execution [{execution.name}] has ended, and its token with it"
    )


async def test_the_token_ends_with_its_attempt_and_not_with_another_one(
    running: SignInServer, deps: Dependencies, installation: Installation, sessions: Sessions
) -> None:
    execution = await installation.record("waits")
    token = (await task_tokens.issue(deps, request(execution))).token

    async def end(attempt: int) -> None:
        async with sessions.begin() as session:
            await session.execute(
                text(
                    "insert into task_executions (execution_project, execution_domain, execution_name, node_id,"
                    " project, domain, name, version, retry_attempt, phase, phase_version, input_uri, closure) values"
                    " (:p, :d, :e, 'n0', :p, :d, 't', 'v', :a, 'FAILED', 0, '', '')"
                ),
                {"p": PROJECT, "d": DOMAIN, "e": execution.name, "a": attempt},
            )

    await end(0)
    attempts = own_server.task_tokens(running.settings, sessions)
    assert attempts is not None
    assert await attempts.attempts.running(TaskAttempt(PROJECT, DOMAIN, execution.name, "n0", 1))
    await end(1)

    assert "has ended" in await refusal(running, token)


async def test_only_an_attempt_that_runs_gets_a_token(
    running: SignInServer, deps: Dependencies, installation: Installation
) -> None:
    ended = await installation.record("succeeds", phase="SUCCEEDED")
    for execution in (ended, installation.identifier()):
        with pytest.raises(FailedPrecondition, match="has ended, or does not exist"):
            await task_tokens.issue(deps, request(execution))
    with pytest.raises(InvalidRequest, match="node_id"):
        await task_tokens.issue(deps, task_tokens_pb2.IssueTaskTokenRequest())
    with pytest.raises(FailedPrecondition, match="has no sign-in"):
        await task_tokens.issue(installation.deps, request(ended))
