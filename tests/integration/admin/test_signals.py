"""A signal exists once its gate was reached, and takes values of its type."""

import asyncio

import pytest
from flyteidl.admin import signal_pb2
from flyteidl.core import identifier_pb2, literals_pb2, types_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions.signals import SignalService
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, STR, integer

EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="e1")
TEXT = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value="yes")))


@pytest.fixture
def signals(deps: Dependencies) -> SignalService:
    return SignalService(deps)


def signal_id(name: str = "s") -> identifier_pb2.SignalIdentifier:
    return identifier_pb2.SignalIdentifier(signal_id=name, execution_id=EXECUTION)


async def reach(signals: SignalService, name: str = "s", wanted: types_pb2.LiteralType = INT) -> signal_pb2.Signal:
    return await signals.GetOrCreateSignal(signal_pb2.SignalGetOrCreateRequest(id=signal_id(name), type=wanted))


async def set_value(signals: SignalService, value: literals_pb2.Literal, name: str = "s") -> None:
    await signals.SetSignal(signal_pb2.SignalSetRequest(id=signal_id(name), value=value))


async def test_a_signal_is_created_once_and_keeps_its_type(signals: SignalService) -> None:
    created = await asyncio.gather(*(reach(signals) for _ in range(4)))
    again = await reach(signals, wanted=STR)

    assert all(one == created[0] for one in created)
    assert again.type == INT
    assert not again.HasField("value")


async def test_a_value_can_be_set_and_set_again(signals: SignalService) -> None:
    await reach(signals)

    await set_value(signals, integer(1))
    await set_value(signals, integer(2))

    assert (await reach(signals)).value == integer(2)


async def test_a_signal_that_was_not_reached_or_of_another_type_is_refused(signals: SignalService) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        await set_value(signals, integer(1))
    assert raised.value.message == (
        f"failed to validate that signal [{{{{{PROJECT} {DOMAIN} e1}} s}}] exists, err: [signal does not exist]"
    )
    await reach(signals)
    with pytest.raises(errors.InvalidRequest, match="is not castable"):
        await set_value(signals, TEXT)
    with pytest.raises(errors.InvalidRequest):
        await set_value(signals, literals_pb2.Literal())


async def test_the_signals_of_an_execution_are_listed_in_pages(signals: SignalService) -> None:
    for name in ("a", "b", "c"):
        await reach(signals, name)

    request = signal_pb2.SignalListRequest(workflow_execution_id=EXECUTION, limit=2)
    first = await signals.ListSignals(request)
    request.token = first.token
    second = await signals.ListSignals(request)
    filtered = await signals.ListSignals(
        signal_pb2.SignalListRequest(workflow_execution_id=EXECUTION, limit=5, filters="eq(signal_id,b)")
    )

    assert [one.id.signal_id for one in first.signals] == ["c", "b"]
    assert [one.id.signal_id for one in second.signals] == ["a"]
    assert [one.id.signal_id for one in filtered.signals] == ["b"]


async def test_names_that_no_row_can_hold_are_the_callers_mistake(signals: SignalService) -> None:
    for name in ("", "a\0b", "s" * 256):
        with pytest.raises(errors.InvalidRequest):
            await reach(signals, name)


async def test_the_engine_is_told_of_a_value(signals: SignalService, engine: RecordingEngine) -> None:
    engine.running.add("e1")
    await reach(signals)

    await set_value(signals, integer(1))

    assert engine.signalled == [("e1", "s")]


async def test_a_value_is_kept_while_the_engine_is_down(
    signals: SignalService, engine: RecordingEngine, deps: Dependencies
) -> None:
    engine.down = True
    await reach(signals)

    await set_value(signals, integer(1))

    assert (await reach(signals)).value == integer(1)
    async with deps.sessions() as session:
        assert (await session.execute(text("select undelivered from signals"))).scalar_one()
