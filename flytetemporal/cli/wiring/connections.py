"""Connections to the servers that every process needs, made with patience: servers start in any order."""

from temporalio.client import Client
from temporalio.service import RPCError

from flytetemporal.cli.wiring import readiness
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import payloads


async def temporal(settings: TemporalSettings) -> Client:
    """Return a client once the namespace answers."""

    async def connect() -> Client:
        client = await Client.connect(
            settings.address, namespace=settings.namespace, data_converter=payloads.DATA_CONVERTER
        )
        await client.count_workflows()  # The port is open a moment before the namespace is there.
        return client

    return await readiness.wait_for("temporal", connect, RPCError, RuntimeError)
