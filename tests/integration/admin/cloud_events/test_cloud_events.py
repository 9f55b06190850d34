"""Events go to the sink as CloudEvents: all of them, those of an execution in their order, and no run waits."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer, KafkaError, Producer
from flyteidl.admin import common_pb2, event_pb2, execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import cloudevents_pb2
from flyteidl.event import event_pb2 as core_event_pb2
from google.protobuf import json_format
from pydantic import ValidationError
from sqlalchemy import func, select, text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.base.outbox_rows import CloudEventRow
from flytetemporal.admin.cloud_events import delivering
from flytetemporal.admin.cloud_events.sinks.protocol import CloudEvent, Outcome
from flytetemporal.admin.events import batches, flyte_events
from flytetemporal.admin.executions import closing, workflow_executions
from flytetemporal.admin.outbox import event_log, waiting
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.retention import removing, trees
from flytetemporal.admin.settings import projects
from flytetemporal.cli.wiring import outbox_metrics
from flytetemporal.config.events import EventSettings
from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from tests.fixtures.http_receiver import Receiver, http_receiver
from tests.fixtures.notified import identifier, record
from tests.fixtures.registrations import DOMAIN, PROJECT, integer, plan, task, workflow
from tests.fixtures.registrations import identifier as entity

W, N, T = core_execution_pb2.WorkflowExecution, core_execution_pb2.NodeExecution, core_execution_pb2.TaskExecution
SCHEMES = "com.flyte.resource.cloudevents."
AT = {"seconds": 1_790_000_000}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as receiver:
        yield receiver


def sending(deps: Dependencies, receiver: Receiver, **settings: Any) -> Dependencies:
    return replace(deps, events=EventSettings(sink="webhook", webhook_url=f"{receiver.url}/events", **settings))


def workflow_event(phase: Any, name: str = "e1") -> events_pb2.Event:
    return events_pb2.Event(workflow={"execution_id": identifier(name), "phase": phase, "occurred_at": AT})


def node_event(phase: Any, name: str = "e1", node: str = "n0") -> events_pb2.Event:
    node_id = identifier_pb2.NodeExecutionIdentifier(node_id=node, execution_id=identifier(name))
    return events_pb2.Event(node={"id": node_id, "phase": phase, "occurred_at": AT})


def task_event(phase: Any, name: str = "e1", attempt: int = 0) -> events_pb2.Event:
    node_id = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=identifier(name))
    return events_pb2.Event(
        task={
            "task_id": entity("TASK", "t"),
            "parent_node_execution_id": node_id,
            "retry_attempt": attempt,
            "phase": phase,
            "occurred_at": AT,
        }
    )


async def report(deps: Dependencies, *events: events_pb2.Event) -> None:
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=events))


async def send(deps: Dependencies) -> tuple[dict[str, int], str]:
    found = await delivering.round_of_events(deps)
    return dict(found.counts), found.error


def received(receiver: Receiver) -> list[Any]:
    """Return the events as the SDK of CloudEvents reads them."""
    return [http.from_http(http.HTTPMessage(got.headers, got.body), JSONFormat()) for got in receiver.received]


def brief(receiver: Receiver) -> list[tuple[str, str]]:
    """Return execution and phase of each event, which are of workflows."""
    raw = [json.loads(got.body)["data"]["rawEvent"] for got in receiver.received]
    return [(event["executionId"]["name"], event["phase"]) for event in raw]


async def count(deps: Dependencies) -> int:
    async with deps.sessions() as session:
        return int(await session.scalar(select(func.count()).select_from(CloudEventRow)) or 0)


async def test_events_have_the_types_and_messages_of_flyte(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")

    await report(deps, workflow_event(W.RUNNING), node_event(N.RUNNING), task_event(T.RUNNING, attempt=2))
    assert await send(deps) == ({"sent": 3}, "")

    of_workflow, of_node, of_task = received(receiver)
    prefix = f"flyte://v1/{PROJECT}/{DOMAIN}/e1"
    assert [event.get_type().removeprefix(SCHEMES) for event in (of_workflow, of_node, of_task)] == [
        "WorkflowExecution",
        "NodeExecution",
        "TaskExecution",
    ]
    assert of_workflow.get_source() == f"{prefix}/end-node"
    assert of_node.get_source() == f"{prefix}/n0"
    assert of_task.get_source() == f"{prefix}/n0/2"
    assert of_task.get_id().startswith(f"{PROJECT}:{DOMAIN}:e1:n0:2.RUNNING.")
    assert {event.get_datacontenttype() for event in (of_workflow, of_node, of_task)} == {"application/json"}
    message = json_format.ParseDict(of_node.get_data(), cloudevents_pb2.CloudEventNodeExecution())
    assert message == cloudevents_pb2.CloudEventNodeExecution(raw_event=node_event(N.RUNNING).node)
    assert await count(deps) == 0


async def test_an_event_of_success_says_more_of_its_execution(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan())
    spec = execution_pb2.ExecutionSpec(
        launch_plan=entity("LAUNCH_PLAN", "w"), labels=common_pb2.Labels(values={"team": "ml"})
    )
    request = execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, name="e1", spec=spec)
    request.inputs.literals["a"].CopyFrom(integer(1))
    await workflow_executions.create(deps, request)
    await report(deps, workflow_event(W.RUNNING), workflow_event(W.SUCCEEDED))
    await send(deps)

    started, running, succeeded = received(receiver)
    assert started.get_type() == f"{SCHEMES}ExecutionStart"
    start = json_format.ParseDict(started.get_data(), cloudevents_pb2.CloudEventExecutionStart())
    assert (start.execution_id, start.launch_plan_id) == (identifier(), entity("LAUNCH_PLAN", "w"))
    assert start.workflow_id == entity("WORKFLOW", "w")
    assert set(running.get_data()) == {"rawEvent"}
    message = json_format.ParseDict(succeeded.get_data(), cloudevents_pb2.CloudEventWorkflowExecution())
    assert message.launch_plan_id == entity("LAUNCH_PLAN", "w")
    assert dict(message.labels) == {"team": "ml"}


async def test_only_the_chosen_types_are_recorded(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver, types=("workflow",))
    await record(deps, phase="QUEUED")

    await report(deps, workflow_event(W.RUNNING), node_event(N.RUNNING), task_event(T.RUNNING))

    assert await send(deps) == ({"sent": 1}, "")


async def test_without_a_sink_nothing_is_recorded(deps: Dependencies) -> None:
    await record(deps, phase="QUEUED")

    await report(deps, workflow_event(W.RUNNING))

    assert await count(deps) == 0
    assert await send(deps) == ({}, "")


async def test_events_that_change_nothing_are_not_sent(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")

    await report(deps, workflow_event(W.RUNNING))
    await report(deps, workflow_event(W.RUNNING))

    assert await count(deps) == 1


async def test_events_of_other_engines_and_ends_that_admin_records_are_sent(
    deps: Dependencies, receiver: Receiver
) -> None:
    deps = sending(deps, receiver)
    await record(deps, name="other")
    await record(deps, name="lost")

    event = core_event_pb2.WorkflowExecutionEvent(
        execution_id=identifier("other"), phase=W.SUCCEEDED, producer_id="local", occurred_at=AT
    )
    await flyte_events.create_workflow_event(deps, event_pb2.WorkflowExecutionEventRequest(event=event))
    await closing.close(deps, identifier("lost"), contract_pb2.ExecutionOutcome(phase=W.FAILED))
    await send(deps)

    assert brief(receiver) == [("other", "SUCCEEDED"), ("lost", "FAILED")]


async def test_events_of_an_execution_arrive_in_their_order_while_the_sink_fails(
    deps: Dependencies, receiver: Receiver
) -> None:
    deps = sending(deps, receiver)
    phases = (W.QUEUED, W.RUNNING, W.SUCCEEDING, W.SUCCEEDED)
    for name in ("e1", "e2", "e3"):
        await record(deps, name=name, phase="UNDEFINED")
    for phase in phases:
        await report(deps, workflow_event(phase, "e1"))
        await report(deps, workflow_event(phase, "e2"))
        await report(deps, workflow_event(phase, "e3"))
    receiver.answers = [(500, b""), (200, b""), (503, b""), (200, b""), (200, b""), (429, b""), (200, b"")]
    while await count(deps):
        await send(deps)

    for name in ("e1", "e2", "e3"):
        arrived = [phase for execution, phase in brief(receiver) if execution == name]
        # An event that was answered with an error comes again; none is passed over.
        deduplicated = [phase for position, phase in enumerate(arrived) if arrived[:position].count(phase) == 0]
        assert deduplicated == ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"]
        assert arrived == sorted(arrived, key=deduplicated.index)


async def test_a_sink_that_is_down_keeps_everything(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")
    await report(deps, workflow_event(W.RUNNING))
    receiver.answers = [(503, b"down")]

    assert await send(deps) == ({}, "the sink of events answered 503 down")
    assert await count(deps) == 1


async def test_an_event_that_the_sink_refuses_holds_up_no_other(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")
    await report(deps, workflow_event(W.RUNNING), workflow_event(W.SUCCEEDED))
    receiver.answers = [(400, b"no"), (200, b"")]

    assert await send(deps) == ({"sent": 1, "refused": 1}, "")
    assert await count(deps) == 0


async def test_an_event_that_has_no_json_form_holds_up_no_other(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")
    odd = task_event(T.RUNNING)
    odd.task.custom_info["loss"] = float("nan")
    await report(deps, odd, workflow_event(W.RUNNING))

    assert await send(deps) == ({"sent": 1, "refused": 1}, "")
    assert brief(receiver) == [("e1", "RUNNING")]


async def test_events_are_sent_again_if_the_process_dies_before_it_is_recorded(
    deps: Dependencies, receiver: Receiver
) -> None:
    class Died(BaseException):
        pass

    class Dying:
        async def send(self, events: list[CloudEvent]) -> Outcome:
            raise Died

    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")
    await report(deps, workflow_event(W.RUNNING))
    with pytest.raises(Died):
        await delivering.send_waiting(deps, Dying())  # type: ignore[arg-type]

    assert await send(deps) == ({"sent": 1}, "")


async def test_two_rounds_do_not_send_at_the_same_time(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")
    await report(deps, workflow_event(W.RUNNING))
    async with deps.sessions.begin() as other:
        await other.execute(text(f"SELECT pg_advisory_xact_lock({delivering.LOCK})"))
        assert await send(deps) == ({}, "")

    assert await send(deps) == ({"sent": 1}, "")


async def test_a_full_queue_drops_events_and_counts_them_and_the_run_goes_on(
    deps: Dependencies, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "COUNT_SECONDS", 0.0)
    deps = sending(deps, receiver, max_waiting=1)
    await record(deps, phase="QUEUED")
    before = event_log.DROPPED._value.get()
    await report(deps, workflow_event(W.RUNNING))
    await report(deps, node_event(N.RUNNING), workflow_event(W.SUCCEEDED))

    assert event_log.DROPPED._value.get() - before == 2
    assert await count(deps) == 1
    found = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=identifier()))
    assert found.closure.phase == W.SUCCEEDED


async def test_what_waits_is_in_the_metrics(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="QUEUED")
    await report(deps, workflow_event(W.RUNNING), workflow_event(W.SUCCEEDED))
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE cloud_events SET created_at = created_at - interval '1 hour'"))

    await outbox_metrics.measure(deps)

    assert (await waiting.measured(deps))["events"][0] == 2
    assert outbox_metrics.WAITING.labels("events")._value.get() == 2
    assert outbox_metrics.LAG.labels("events")._value.get() >= 3600


async def test_events_of_an_execution_that_has_been_removed_are_sent(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver)
    await record(deps, phase="RUNNING")
    await report(deps, workflow_event(W.SUCCEEDED))
    async with deps.sessions.begin() as session:
        root = await session.scalar(select(ExecutionRow.id))
        await removing.begin(session, await trees.read(session, root or 0), "ada", "old")

    assert await send(deps) == ({"sent": 1}, "")
    assert set(received(receiver)[0].get_data()) == {"rawEvent"}


async def test_a_token_is_sent(deps: Dependencies, receiver: Receiver) -> None:
    deps = sending(deps, receiver, webhook_token="secret")
    await record(deps, phase="QUEUED")
    await report(deps, workflow_event(W.RUNNING))
    await send(deps)

    assert receiver.received[0].headers["authorization"] == "Bearer secret"


@pytest.fixture
def brokers() -> Iterator[str]:
    """The address of librdkafka's mock of a cluster, which speaks Kafka's protocol. No real Kafka is here."""
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none", "log_level": 0})
    (broker,) = cluster.list_topics(timeout=30).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del cluster  # Until here: the mock ends with its producer.


def consumed(brokers: str, expected: int) -> list[Any]:
    """Return the records of the topic, in the order of their partitions."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe(["flyte"])
    found: list[Any] = []
    try:
        while len(found) < expected:
            message = consumer.poll(30)
            assert message is not None, f"{len(found)} of {expected} records came"
            error = message.error()
            assert error is None or error.code() == KafkaError._PARTITION_EOF, error
            if error is None:
                found.append(message)
    finally:
        consumer.close()
    return found


async def test_events_of_an_execution_are_in_one_partition_of_kafka_in_their_order(
    deps: Dependencies, brokers: str
) -> None:
    deps = replace(deps, events=EventSettings(sink="kafka", kafka_brokers=(brokers,), kafka_topic="flyte"))
    for name in ("e1", "e2"):
        await record(deps, name=name, phase="UNDEFINED")
        await report(deps, *(workflow_event(phase, name) for phase in (W.QUEUED, W.RUNNING, W.SUCCEEDED)))

    assert await send(deps) == ({"sent": 6}, "")

    records = consumed(brokers, 6)
    for name in ("e1", "e2"):
        of_execution = [one for one in records if one.key() == f"{PROJECT}/{DOMAIN}/{name}".encode()]
        assert len({one.partition() for one in of_execution}) == 1
        messages = [kafka.KafkaMessage(dict(one.headers()), one.key(), one.value()) for one in of_execution]
        events: list[Any] = [kafka.from_kafka(message, JSONFormat()) for message in messages]
        assert [event.get_data()["rawEvent"]["phase"] for event in events] == ["QUEUED", "RUNNING", "SUCCEEDED"]
        assert {event.get_type() for event in events} == {f"{SCHEMES}WorkflowExecution"}


async def test_kafka_that_is_gone_keeps_everything(deps: Dependencies) -> None:
    with http_receiver() as gone:
        pass
    brokers = (f"127.0.0.1:{gone.port}",)
    deps = replace(
        deps,
        events=EventSettings(sink="kafka", kafka_brokers=brokers, kafka_topic="flyte", timeout=timedelta(seconds=1)),
    )
    await record(deps, phase="QUEUED")
    await report(deps, workflow_event(W.RUNNING))

    with pytest.raises(errors.Unavailable, match=r"no Kafka broker of 127\.0\.0\.1"):
        await send(deps)

    assert await count(deps) == 1


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sink": "webhook"}, "sink webhook needs webhook_url"),
        ({"sink": "kafka"}, "sink kafka needs kafka_brokers and kafka_topic"),
        ({"sink": "carrier"}, "'webhook' or 'kafka'"),
        ({"webhook_url": "ftp://example.com"}, "String should match pattern"),
        ({"types": ["everything"]}, "'start', 'workflow', 'node' or 'task'"),
        ({"kafka_security": "SASL_SSL"}, "needs kafka_username and kafka_password"),
        ({"ca_file": "/nonexistent"}, "has no certificates"),
    ],
)
def test_settings_of_a_sink_are_checked(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EventSettings(**settings)
