"""The search attributes that every execution's workflow carries: a Temporal namespace must know them first.

Temporal refuses to start a workflow with an attribute that its namespace does not know.
"""

import asyncio
from collections.abc import Sequence

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.cli.errors import CommandError
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import workflows

KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
# Frontends of a Temporal cluster reload the attributes of a namespace every ten seconds or so.
WAIT_SECONDS = 60.0
PAUSE_SECONDS = 0.2

# Servers that keep the operator service from us, or have none.
_CLOSED = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def register(client: Client, settings: TemporalSettings) -> None:
    """Register the search attributes that the namespace lacks, and wait until it takes them. Idempotent.

    Raises:
        CommandError: one is missing and this process may not register it, or it exists with another type.
        RPCError: Temporal does not answer.
    """
    absent = await missing(client, settings)
    if not absent:
        return
    request = AddSearchAttributesRequest(namespace=settings.namespace, search_attributes=dict.fromkeys(absent, KEYWORD))
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as e:
        if e.status == RPCStatusCode.UNAVAILABLE:
            raise
        # Another process may have been quicker; whether they are there now says the wait below.
        if e.status != RPCStatusCode.ALREADY_EXISTS:
            raise _refusal(absent, settings, e.message) from e
    await _wait_until_known(client, absent, settings)
    _log.info("search_attributes_registered", namespace=settings.namespace, attributes=list(absent))


async def missing(client: Client, settings: TemporalSettings) -> Sequence[str]:
    """Return the search attributes that the namespace does not know.

    Raises:
        CommandError: one exists with another type.
        RPCError: Temporal does not answer.
    """
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=settings.namespace)
        )
    except RPCError as e:
        if e.status not in _CLOSED:
            raise
        return [name for name in workflows.SEARCH_ATTRIBUTES if not await _is_known(client, name)]
    known = listed.custom_attributes
    for name in workflows.SEARCH_ATTRIBUTES:
        if known.get(name, KEYWORD) != KEYWORD:
            kind = IndexedValueType.Name(known[name]).removeprefix("INDEXED_VALUE_TYPE_")
            raise CommandError(
                f"search attribute {name} of namespace {settings.namespace} has type {kind.title()}: it must be "
                "Keyword; remove it and create it again, or use a namespace of its own"
            )
    return [name for name in workflows.SEARCH_ATTRIBUTES if name not in known]


def command(names: Sequence[str], settings: TemporalSettings) -> str:
    """Return the command with which an operator creates search attributes."""
    attributes = " ".join(f"--name {name} --type Keyword" for name in names)
    return (
        f"temporal operator search-attribute create --address {settings.address} "
        f"--namespace {settings.namespace} {attributes}"
    )


def _refusal(names: Sequence[str], settings: TemporalSettings, reason: str) -> CommandError:
    return CommandError(
        f"namespace {settings.namespace} of Temporal lacks the search attributes {', '.join(names)}, and they cannot "
        f"be registered from here ({reason}). Run: {command(names, settings)}"
    )


async def _is_known(client: Client, name: str) -> bool:
    """Whether the namespace knows an attribute: a query that names it is valid."""
    try:
        await client.count_workflows(f"{name} = 'any'")
    except RPCError as e:
        if e.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        return False
    return True


async def _wait_until_known(client: Client, names: Sequence[str], settings: TemporalSettings) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    for name in names:
        while not await _is_known(client, name):
            if loop.time() > deadline:
                raise _refusal(names, settings, f"they do not show within {WAIT_SECONDS:.0f} s")
            await asyncio.sleep(PAUSE_SECONDS)
