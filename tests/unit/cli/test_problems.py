"""Every way in which a server can fail to answer, with real clients: one sentence without the terms of a library."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio.client import Client

from flytetemporal.cli import admin_calls, problems
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import operations_pb2

TECHNICAL = ("tonic", "AioRpcError", "ConnectError", "ipv4:", "Os {", "StatusCode", "\n", "  ")


@contextlib.asynccontextmanager
async def web_server() -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)  # Closed with unread data, the connection would be reset before or after the answer.
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def nothing() -> AsyncIterator[str]:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # Not listening.
        yield f"127.0.0.1:{reserved.getsockname()[1]}"


@contextlib.asynccontextmanager
async def unknown_name() -> AsyncIterator[str]:
    yield "no-such-host.invalid:7233"


SERVERS = {"refused": nothing, "cannot be found": unknown_name, "does not speak gRPC": web_server}


async def ask_admin(target: str) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())


async def ask_temporal(target: str) -> None:
    await Client.connect(target)


@pytest.mark.parametrize("ask", [ask_admin, ask_temporal], ids=["admin", "Temporal"])
@pytest.mark.parametrize("meaning", SERVERS)
async def test_a_server_that_is_not_one_is_described_in_a_sentence(meaning: str, ask: object) -> None:
    async with SERVERS[meaning]() as target:
        with pytest.raises((grpc.RpcError, RuntimeError)) as raised:
            await (ask_admin if ask is ask_admin else ask_temporal)(target)

    text = problems.answer("the server", raised.value)

    assert text.startswith("the server ")
    assert meaning in text
    assert not [word for word in TECHNICAL if word in text]


async def test_why_says_that_no_admin_is_there() -> None:
    async with nothing() as target:
        with pytest.raises(CommandError) as raised:
            await asyncio.to_thread(
                admin_calls.call,
                Endpoint(target),
                "/flytetemporal.v1.OperationsService/Explain",
                operations_pb2.ExplainRequest(),
                operations_pb2.ExplainResponse,
            )

    assert raised.value.message == (
        f"admin at {target} does not answer: the connection is refused, so nothing listens there"
    )


def test_a_call_that_takes_too_long_is_described() -> None:
    assert problems.answer("the server", TimeoutError()) == "the server does not answer in time"


@pytest.mark.parametrize(
    ("answered", "shown"),
    [
        (
            'missing entity of type execution with identifier project:"p" domain:"d" name:"n"',
            'missing entity of type execution with identifier project:"p" domain:"d" name:"n": `flytetemporal get '
            "executions -p p -d d` lists those that exist",
        ),
        (
            'missing entity of type LAUNCH_PLAN with identifier project:"p" domain:"d" name:"n" version:"v"',
            'missing entity of type LAUNCH_PLAN with identifier project:"p" domain:"d" name:"n" version:"v": '
            "`flytetemporal get launch-plans -p p -d d` lists those that exist",
        ),
        ("'e.colour' is invalid filter", "there is no field [colour] to filter by"),
        ("'e.planet.name' is invalid filter", "there is no field [planet.name] to filter by"),
        ("missing entity of type signal with identifier x", "missing entity of type signal with identifier x"),
    ],
)
def test_texts_of_flyte_that_name_no_next_step_get_one(answered: str, shown: str) -> None:
    assert problems._in_our_words(answered) == shown
