"""A signal exists once its gate was reached, and takes values of its type."""

import asyncio

import pytest
from flyteidl.admin import signal_pb2
from flyteidl.core import identifier_pb2, literals_pb2, types_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import signals
from flytetemporal.idl import identifiers, locations
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, STR, integer

EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="e1")
TEXT = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value="yes")))


def signal_id(name: str = "s") -> identifier_pb2.SignalIdentifier:
    return identifier_pb2.SignalIdentifier(signal_id=name, execution_id=EXECUTION)


async def reach(deps: Dependencies, name: str = "s", wanted: types_pb2.LiteralType = INT) -> signal_pb2.Signal:
    return await signals.get_or_create(deps, signal_pb2.SignalGetOrCreateRequest(id=signal_id(name), type=wanted))


async def set_value(deps: Dependencies, value: literals_pb2.Literal, name: str = "s") -> None:
    await signals.set_value(deps, signal_pb2.SignalSetRequest(id=signal_id(name), value=value))


async def test_a_signal_is_created_once_and_keeps_its_type(deps: Dependencies) -> None:
    created = await asyncio.gather(*(reach(deps) for _ in range(4)))
    again = await reach(deps, wanted=STR)

    assert all(one == created[0] for one in created)
    assert again.type == INT
    assert not again.HasField("value")


async def test_a_value_can_be_set_and_set_again(deps: Dependencies) -> None:
    await reach(deps)

    await set_value(deps, integer(1))
    await set_value(deps, integer(2))

    assert (await reach(deps)).value == integer(2)


async def test_a_signal_that_was_not_reached_or_of_another_type_is_refused(deps: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        await set_value(deps, integer(1))
    assert raised.value.message == (
        f"failed to validate that signal [{{{{{PROJECT} {DOMAIN} e1}} s}}] exists, err: [signal does not exist]"
    )
    await reach(deps)
    with pytest.raises(errors.InvalidRequest, match="is not castable"):
        await set_value(deps, TEXT)
    with pytest.raises(errors.InvalidRequest):
        await set_value(deps, literals_pb2.Literal())


async def test_a_value_in_files_of_another_execution_keeps_that_one(deps: Dependencies) -> None:
    await reach(deps)
    folders = [
        locations.metadata_dir(deps.blobs.root, identifiers.execution_identifier((PROJECT, DOMAIN, name)))
        for name in ("e1", "e2")
    ]

    for folder in folders:
        stored = literals_pb2.LiteralOffloadedMetadata(
            uri=f"{folder}/n0/data/0/o0_offloaded_metadata.pb", size_bytes=1, inferred_type=INT
        )
        await set_value(deps, literals_pb2.Literal(offloaded_metadata=stored))

    async with deps.sessions() as session:
        found = (await session.execute(text("select source_name, execution_name from value_references"))).all()
    assert found == [("e2", "e1")], "its own files need no reference"


async def test_the_signals_of_an_execution_are_listed_in_pages(deps: Dependencies) -> None:
    for name in ("a", "b", "c"):
        await reach(deps, name)

    request = signal_pb2.SignalListRequest(workflow_execution_id=EXECUTION, limit=2)
    first = await signals.list_signals(deps, request)
    request.token = first.token
    second = await signals.list_signals(deps, request)
    filtered = await signals.list_signals(
        deps, signal_pb2.SignalListRequest(workflow_execution_id=EXECUTION, limit=5, filters="eq(signal_id,b)")
    )

    assert [one.id.signal_id for one in first.signals] == ["c", "b"]
    assert [one.id.signal_id for one in second.signals] == ["a"]
    assert [one.id.signal_id for one in filtered.signals] == ["b"]


async def test_names_that_no_row_can_hold_are_the_callers_mistake(deps: Dependencies) -> None:
    for name in ("", "a\0b", "s" * 256):
        with pytest.raises(errors.InvalidRequest):
            await reach(deps, name)


async def test_the_engine_is_notified_of_a_value(deps: Dependencies, engine: RecordingEngine) -> None:
    engine.running.add("e1")
    await reach(deps)

    await set_value(deps, integer(1))

    assert engine.signalled == [("e1", "s")]


async def test_a_value_is_kept_while_the_engine_is_down(deps: Dependencies, engine: RecordingEngine) -> None:
    engine.down = True
    await reach(deps)

    await set_value(deps, integer(1))

    assert (await reach(deps)).value == integer(1)
    async with deps.sessions() as session:
        assert (await session.execute(text("select undelivered from signals"))).scalar_one()
