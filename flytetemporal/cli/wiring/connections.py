"""The connection to Temporal, which every process needs. Servers are started in any order, so it waits."""

from temporalio.client import Client
from temporalio.service import RPCError

from flytetemporal.cli import problems
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving.readiness import wait_until_ready
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import payloads


async def temporal(settings: TemporalSettings) -> Client:
    """Return a client when the namespace answers.

    Raises:
        CommandError: server or namespace do not answer within ``readiness.WAIT_SECONDS``.
    """

    async def connect() -> Client:
        client = await Client.connect(
            settings.address, namespace=settings.namespace, data_converter=payloads.DATA_CONVERTER
        )
        await client.count_workflows()  # The port is open a moment before the namespace exists.
        return client

    try:
        return await wait_until_ready("temporal", connect, RPCError, RuntimeError)
    except (RPCError, RuntimeError) as e:
        server = f"Temporal at {settings.address}, namespace {settings.namespace},"
        raise CommandError(problems.answer(server, e)) from e
