"""The success of an execution launches the launch plans that wait for it, once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.admin import common_pb2, event_pb2, execution_pb2, launch_plan_pb2, project_pb2
from flyteidl.core import types_pb2
from flyteidl.event import event_pb2 as core_event_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control import pauses
from flytetemporal.admin.events import flyte_events
from flytetemporal.admin.executions import closing
from flytetemporal.admin.firing import delivery, listing
from flytetemporal.admin.registry import named_entities
from flytetemporal.admin.settings import projects
from flytetemporal.config.triggers import TriggerSettings
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import pauses_pb2, triggers_pb2
from flytetemporal.idl import times
from tests.fixtures import triggered
from tests.fixtures.registrations import DOMAIN, PROJECT, STR, integer, plan, scope
from tests.fixtures.triggered import INACTIVE, W, active, end, events, listed, run, set_state

State = triggers_pb2.TriggerEvent
Mode = execution_pb2.ExecutionMetadata
DATETIME = types_pb2.LiteralType(simple=types_pb2.DATETIME)
AFTER_LOAD = [{"name": "t", "success": "load", "inputs": {"a": "outputs.o0"}}]


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await triggered.register_workflows(deps)


async def deliver(deps: Dependencies) -> dict[str, int]:
    """Run a round of deliveries, also of events that are to be tried later."""
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE trigger_events SET next_try_at = now()"))
    return dict((await delivery.deliveries(deps)).counts)


async def count(deps: Dependencies) -> int:
    """Return the number of executions."""
    async with deps.sessions() as session:
        return int((await session.execute(text("SELECT count(*) FROM executions"))).scalar_one())


async def test_a_success_launches_the_launch_plan_with_the_outputs(deps: Dependencies) -> None:
    triggers = [{"name": "t", "success": "load", "inputs": {"a": "outputs.o0", "at": "time", "by": "execution"}}]
    await active(deps, "train", triggers, inputs={"at": DATETIME, "by": STR})
    source = await run(deps, execution="first")
    await end(deps, source, o0=integer(7))

    assert await deliver(deps) == {"trigger_launched": 1}

    (event,) = await events(deps, "train")
    assert (event.id, event.state) == (f"{PROJECT}:{DOMAIN}:first", State.LAUNCHED)
    execution = await triggered.launched(deps, event.execution_id)
    assert execution.spec.launch_plan.name == "train"
    assert execution.spec.metadata.mode == Mode.TRIGGER
    assert execution.spec.metadata.reference_execution == source
    inputs = await triggered.inputs_of(deps, event.execution_id)
    assert inputs["a"] == integer(7)
    assert inputs["at"].scalar.primitive.datetime == event.occurred_at
    assert inputs["by"].scalar.primitive.string_value == "first"


async def test_an_event_that_is_delivered_again_launches_nothing_again(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await end(deps, await run(deps), o0=integer(7))

    async with deps.sessions() as session:
        (key,) = (await session.execute(text("SELECT project, domain, execution_name FROM trigger_events"))).all()
    await asyncio.gather(*(delivery.deliver(deps, tuple(key)) for _ in range(5)))
    assert await deliver(deps) == {}
    assert await count(deps) == 2

    # As if the process had died between the launch and the record of it; the launch plan has changed since.
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE trigger_events SET state = 'PENDING'"))
    await set_state(deps, "train", state=INACTIVE)
    assert await deliver(deps) == {"trigger_launched": 1}
    assert await count(deps) == 2


async def test_an_end_that_is_reported_again_is_the_same_event(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    source = await run(deps)

    for _ in range(3):
        await end(deps, source, o0=integer(7))

    assert len(await events(deps, "train")) == 1


@pytest.mark.parametrize("phase", [W.FAILED, W.ABORTED, W.TIMED_OUT, W.RUNNING])
async def test_only_a_success_is_an_event(deps: Dependencies, phase: W.Phase) -> None:
    await active(deps, "train", AFTER_LOAD)

    await end(deps, await run(deps), phase)

    assert await events(deps, "train") == []


async def test_a_success_that_the_sweeper_or_another_engine_reports_is_an_event_too(deps: Dependencies) -> None:
    await active(deps, "train", [{"name": "t", "success": "load", "inputs": {"a": "outputs.o0"}}])
    closed, reported = await run(deps, execution="closed"), await run(deps, execution="reported")

    await closing.close(deps, closed, contract_pb2.ExecutionOutcome(phase=W.SUCCEEDED, output_uri="/out"))
    event = core_event_pb2.WorkflowExecutionEvent(
        execution_id=reported, phase=W.SUCCEEDED, occurred_at=times.timestamp(datetime.now(UTC)), output_uri="/out"
    )
    await flyte_events.create_workflow_event(deps, event_pb2.WorkflowExecutionEventRequest(event=event))

    ids = [event.id for event in await events(deps, "train")]
    assert ids == [f"{PROJECT}:{DOMAIN}:closed", f"{PROJECT}:{DOMAIN}:reported"]


async def test_several_successes_at_once_launch_one_execution_each(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await active(deps, "report", [{"name": "t", "success": "load", "inputs": {"a": "outputs.o0"}}])
    sources = [await run(deps) for _ in range(10)]

    await asyncio.gather(*(end(deps, source, o0=integer(1)) for source in sources))

    assert await deliver(deps) == {"trigger_launched": 20}
    assert await count(deps) == 30


async def test_a_launch_plan_that_is_not_active_is_not_launched(deps: Dependencies) -> None:
    await triggered.register(deps, "train", triggers=AFTER_LOAD)
    await end(deps, await run(deps), o0=integer(7))
    assert await listed(deps) == []

    await set_state(deps, "train")
    await end(deps, await run(deps), o0=integer(7))
    await set_state(deps, "train", state=INACTIVE)
    await end(deps, await run(deps), o0=integer(7))

    assert await deliver(deps) == {"trigger_skipped": 1}
    (trigger,) = await listed(deps, "train")
    assert not trigger.is_active
    assert "no version of the launch plan that has this trigger is active any more" in trigger.last_error


async def test_an_event_launches_the_version_that_is_active_when_it_is_delivered(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await end(deps, await run(deps), o0=integer(7))

    await active(deps, "train", AFTER_LOAD, version="v2")
    since = (await listed(deps))[0].active_since
    await deliver(deps)
    await set_state(deps, "train")
    assert (await listed(deps))[0].active_since == since, "it was active all the time"

    (event,) = await events(deps, "train")
    assert (await triggered.launched(deps, event.execution_id)).spec.launch_plan.version == "v2"


async def test_a_version_without_the_trigger_ends_it(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await triggered.register(deps, "train", version="v2")

    await set_state(deps, "train", "v2")
    await end(deps, await run(deps), o0=integer(7))

    assert await events(deps, "train") == []
    assert [trigger.is_active for trigger in await listed(deps)] == [False]


async def test_deactivating_another_version_changes_nothing(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await triggered.register(deps, "train", version="v2")

    await set_state(deps, "train", "v2", INACTIVE)

    assert [trigger.is_active for trigger in await listed(deps)] == [True]


async def test_an_execution_beyond_the_limit_of_the_launch_plan_is_skipped(deps: Dependencies) -> None:
    request = plan("train")
    skip = launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP
    request.spec.concurrency_policy.CopyFrom(launch_plan_pb2.ConcurrencyPolicy(max=1, behavior=skip))
    await triggered.register(deps, "train", request, triggers=AFTER_LOAD)
    await set_state(deps, "train")
    for _ in range(2):
        await end(deps, await run(deps), o0=integer(7))

    assert await deliver(deps) == {"trigger_launched": 1, "trigger_skipped": 1}

    (trigger,) = await listed(deps, "train")
    assert "concurrency limit (1) reached for launch plan train; skipping execution" in trigger.last_error
    assert trigger.last_execution.name
    assert await deliver(deps) == {}


async def test_an_archived_launch_plan_is_skipped(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    metadata = common_pb2.NamedEntityMetadata(state=common_pb2.NAMED_ENTITY_ARCHIVED)
    request = common_pb2.NamedEntityUpdateRequest(resource_type="LAUNCH_PLAN", id=scope("train"), metadata=metadata)
    await named_entities.update(deps, request)
    await end(deps, await run(deps), o0=integer(7))

    assert await deliver(deps) == {"trigger_skipped": 1}

    assert "launch plan train is archived; make it active again" in (await listed(deps))[0].last_error


async def test_an_archived_project_is_skipped(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await end(deps, await run(deps), o0=integer(7))
    await projects.update(deps, project_pb2.Project(id=PROJECT, state=project_pb2.Project.ARCHIVED))

    assert await deliver(deps) == {"trigger_skipped": 1}

    assert f"project [{PROJECT}] is not active" in (await listed(deps))[0].last_error


async def test_a_paused_launch_plan_is_launched_and_waits(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    target = pauses_pb2.PauseTarget(kind="LAUNCH_PLAN", project=PROJECT, domain=DOMAIN, name="train")
    await pauses.pause(deps, pauses_pb2.PauseRequest(target=target))
    await end(deps, await run(deps), o0=integer(7))

    assert await deliver(deps) == {"trigger_launched": 1}

    (event,) = await events(deps, "train")
    assert event.message == "it waits, because the launch plan or the project is paused"


async def test_a_chain_of_triggers_ends_at_its_bound(deps: Dependencies) -> None:
    deps = replace(deps, triggers=TriggerSettings(max_depth=2))
    after = "load"
    for name in ("second", "third", "fourth"):
        await triggered.register_source(
            deps, name, triggers=f"[{{name: t, success: {after}, inputs: {{a: outputs.o0}}}}]"
        )
        await set_state(deps, name)
        after = name
    await end(deps, await run(deps), o0=integer(1))

    for name in ("second", "third"):
        assert await deliver(deps) == {"trigger_launched": 1}
        (event,) = await events(deps, name)
        await end(deps, event.execution_id, o0=integer(1))

    assert await deliver(deps) == {"trigger_skipped": 1}
    (trigger,) = await listed(deps, "fourth")
    assert "triggers have launched 2 executions one after the other" in trigger.last_error


async def test_an_output_of_another_type_or_none_is_a_failure_with_its_reason(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    string = integer(0)
    string.scalar.primitive.string_value = "seven"
    await end(deps, await run(deps, execution="other"), o0=string)
    await end(deps, await run(deps, execution="none"))

    assert await deliver(deps) == {"trigger_failed": 2}

    other, none = await events(deps, "train")
    assert "invalid a input wrong type. Expected simple:INTEGER, but got simple:STRING" in other.message
    assert f"execution {PROJECT}:{DOMAIN}:none has no output [o0] for the input [a]" in none.message
    assert await deliver(deps) == {}


async def test_outputs_that_are_gone_are_a_failure(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    source = await run(deps)
    await end(deps, source, o0=integer(7))
    await deps.blobs.delete(f"{deps.blobs.root}/outputs/{source.name}")

    assert await deliver(deps) == {"trigger_failed": 1}

    assert "object not found" in (await listed(deps))[0].last_error


async def test_old_events_are_deleted_and_those_that_wait_stay(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    for name in ("old", "new", "waiting"):
        await end(deps, await run(deps, execution=name), o0=integer(7))
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE trigger_events SET next_try_at = now() + interval '1 day'"))
        await session.execute(text("UPDATE trigger_events SET state = 'SKIPPED' WHERE event_id NOT LIKE '%waiting'"))
        await session.execute(
            text("UPDATE trigger_events SET created_at = now() - interval '31 days' WHERE event_id NOT LIKE '%new'")
        )

    await delivery.deliveries(deps)

    assert [event.id.rpartition(":")[2] for event in await events(deps, "train")] == ["new", "waiting"]


async def test_lists_have_pages(deps: Dependencies) -> None:
    await active(deps, "train", [*AFTER_LOAD, {"name": "u", "success": "load", "inputs": {"a": "outputs.o0"}}])
    for name in ("e1", "e2", "e3"):
        await end(deps, await run(deps, execution=name), o0=integer(7))
    request = triggers_pb2.ListTriggersRequest(project=PROJECT, domain=DOMAIN, limit=1)
    first = await listing.list_triggers(deps, request)
    request.token = first.token
    second = await listing.list_triggers(deps, request)
    of_events = triggers_pb2.ListTriggerEventsRequest(
        project=PROJECT, domain=DOMAIN, launch_plan="train", trigger="t", limit=2
    )
    newest = await listing.list_trigger_events(deps, of_events)
    of_events.token = newest.token
    oldest = await listing.list_trigger_events(deps, of_events)

    assert [found.name for found in (*first.triggers, *second.triggers)] == ["t", "u"]
    assert first.triggers[0].pending == 3
    assert first.triggers[0].last_event.id == f"{PROJECT}:{DOMAIN}:e3"
    assert first.triggers[0].source == f"{PROJECT}:{DOMAIN}:load"
    assert [event.id.rpartition(":")[2] for event in (*newest.events, *oldest.events)] == ["e3", "e2", "e1"]
    assert oldest.token == ""


async def test_an_unknown_trigger_has_no_events(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound, match="no version of launch plan train had a trigger t"):
        await events(deps, "train")


async def test_an_error_of_ours_is_tried_again_and_given_up(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await end(deps, await run(deps), o0=integer(7))
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE triggers SET declaration = '{'"))

    for _ in range(delivery.MOST_TRIES - 1):
        assert await deliver(deps) == {"trigger_pending": 1}
    assert await deliver(deps) == {"trigger_failed": 1}

    assert "internal error: ValidationError" in (await listed(deps))[0].last_error


async def test_an_event_that_failed_waits_before_it_is_tried_again(deps: Dependencies) -> None:
    await active(deps, "train", AFTER_LOAD)
    await end(deps, await run(deps), o0=integer(7))
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE triggers SET declaration = '{'"))

    await deliver(deps)

    async with deps.sessions() as session:
        query = text("SELECT next_try_at - now() FROM trigger_events")
        assert timedelta(0) < (await session.execute(query)).scalar_one() <= delivery.FIRST_PAUSE
    assert (await delivery.deliveries(deps)).counts == {}
