"""A plain Temporal namespace is prepared where this is allowed; else the error says what to run."""

import asyncio
import os
import sys

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client

from flytetemporal.cli.commands import doctor
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring import connections, control_plane, search_attributes
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.config.settings import Settings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import workflows
from tests.fixtures.waiting import bounded

KEYWORD, TEXT = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, IndexedValueType.INDEXED_VALUE_TYPE_TEXT


def of(client: Client) -> TemporalSettings:
    return TemporalSettings(address=client.service_client.config.target_host, namespace=client.namespace)


async def add(client: Client, attributes: "dict[str, IndexedValueType.ValueType]") -> None:
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=attributes)
    await client.operator_service.add_search_attributes(request)


async def test_what_a_plain_namespace_lacks_is_registered_once(plain_namespace: Client) -> None:
    settings = of(plain_namespace)
    await add(plain_namespace, {workflows.SEARCH_DOMAIN: KEYWORD})

    before = await search_attributes.missing(plain_namespace, settings)
    await search_attributes.register(plain_namespace, settings)
    await search_attributes.register(plain_namespace, settings)

    assert before == [name for name in workflows.SEARCH_ATTRIBUTES if name != workflows.SEARCH_DOMAIN]
    assert await search_attributes.missing(plain_namespace, settings) == []
    await plain_namespace.count_workflows(" AND ".join(f"{name} = 'x'" for name in workflows.SEARCH_ATTRIBUTES))


async def test_admin_registers_them_when_it_starts(
    plain_namespace: Client, database: DatabaseSettings, tmp_path: object
) -> None:
    settings = Settings(
        database=database, temporal=of(plain_namespace), storage=StorageSettings(root=f"{tmp_path}/store")
    )

    async with control_plane.dependencies(settings, migrate=False):
        assert await search_attributes.missing(plain_namespace, settings.temporal) == []


async def test_a_namespace_that_takes_no_more_is_refused_with_the_command_to_run(
    plain_namespace: Client, database: DatabaseSettings, tmp_path: object
) -> None:
    # Temporal's SQL stores hold ten attributes of this type per namespace.
    await add(plain_namespace, {f"Other{number}": KEYWORD for number in range(8)})
    settings = Settings(
        database=database, temporal=of(plain_namespace), storage=StorageSettings(root=f"{tmp_path}/store")
    )

    with pytest.raises(CommandError) as refused:
        async with control_plane.dependencies(settings, migrate=False):
            pass

    assert (
        f"Run: temporal operator search-attribute create --address {settings.temporal.address} --namespace "
        f"{plain_namespace.namespace} --name FlyteProject --type Keyword --name FlyteDomain --type Keyword "
        "--name FlyteExecution --type Keyword --name FlyteWorkflow --type Keyword"
    ) in refused.value.message


async def test_an_attribute_of_another_type_is_refused(plain_namespace: Client) -> None:
    await add(plain_namespace, {workflows.SEARCH_PROJECT: TEXT})

    with pytest.raises(CommandError, match=r"search attribute FlyteProject .* has type Text: it must be Keyword"):
        await search_attributes.register(plain_namespace, of(plain_namespace))


async def test_the_doctor_says_what_to_run(plain_namespace: Client) -> None:
    with pytest.raises(CommandError, match=r"Run: temporal operator search-attribute create .*--name FlyteProject"):
        await doctor._temporal(of(plain_namespace))


async def test_a_namespace_that_does_not_exist_is_an_error_in_one_line(
    temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flytetemporal.cli.serving.readiness.WAIT_SECONDS", 0.0)
    settings = TemporalSettings(address=temporal.service_client.config.target_host, namespace="nowhere")

    with pytest.raises(CommandError, match="namespace nowhere, answers NOT_FOUND: Namespace nowhere is not found"):
        await connections.temporal(settings)


async def test_migrate_prepares_database_and_namespace(plain_namespace: Client, database: DatabaseSettings) -> None:
    environment = {
        **os.environ,
        "FLYTETEMPORAL_DATABASE__URL": database.url.get_secret_value(),
        "FLYTETEMPORAL_TEMPORAL__ADDRESS": of(plain_namespace).address,
        "FLYTETEMPORAL_TEMPORAL__NAMESPACE": plain_namespace.namespace,
    }

    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "flytetemporal.cli.main", "migrate", env=environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await bounded(process.communicate())
        assert process.returncode == 0
        assert f"namespace {plain_namespace.namespace} has the search attributes" in output.decode()

    assert await search_attributes.missing(plain_namespace, of(plain_namespace)) == []
