"""The artifacts that a batch of events has produced: what ``events`` stores together with the ends of their nodes.

A task execution or an execution that succeeds has produced those of its outputs that its interface declares as
artifacts. The rest of an interface is of no interest here, so what is declared is cached by id.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import structlog
from cachetools import LRUCache, TTLCache
from flyteidl.admin import task_pb2
from flyteidl.core import artifact_id_pb2, identifier_pb2, interface_pb2, literals_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from google.protobuf.message import DecodeError
from prometheus_client import Counter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal import errors
from flytetemporal.admin.artifacts import outputs, values
from flytetemporal.admin.base import execution_rows, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, TaskRow, WorkflowRow
from flytetemporal.contracts.v1 import artifacts_pb2, events_pb2
from flytetemporal.idl import identifiers, times, types
from flytetemporal.idl.identifiers import EntityKey

SKIPPED = Counter("flytetemporal_artifacts_skipped_total", "Outputs declared as artifacts that could not be one.")

_KNOWN = 4096
# Of tasks that dynamic workflows generate without registration; one may be registered later.
_UNREGISTERED_SECONDS = 60
_SUCCEEDED_TASK = core_execution_pb2.TaskExecution.SUCCEEDED
_SUCCEEDED_WORKFLOW = core_execution_pb2.WorkflowExecution.SUCCEEDED

Declared = Mapping[str, interface_pb2.Variable]
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """The artifacts that entities of one database declare. Versions never change."""

    tasks: LRUCache[EntityKey, Declared] = field(default_factory=lambda: LRUCache(_KNOWN))
    unregistered: TTLCache[EntityKey, bool] = field(default_factory=lambda: TTLCache(_KNOWN, _UNREGISTERED_SECONDS))
    workflows: LRUCache[int, Declared] = field(default_factory=lambda: LRUCache(_KNOWN))


@dataclass(frozen=True, slots=True)
class _Producer:
    """A success, and where the values of its inputs and outputs are."""

    source: artifacts_pb2.ArtifactSource
    declared: Declared
    inputs_uri: str
    outputs_uri: str

    @property
    def version(self) -> str:
        """What the version of each of its artifacts starts with: a repeated event makes the same artifacts again."""
        execution, node = self.source.execution.name, self.source.node_id
        return f"{execution}.{node}.{self.source.retry_attempt}" if node else execution

    @property
    def binds_inputs(self) -> bool:
        """Whether a partition of an artifact has the value of an input."""
        ids = [variable.artifact_partial_id for variable in self.declared.values()]
        bound = [value for one in ids for value in (*one.partitions.value.values(), one.time_partition.value)]
        return any(value.HasField("input_binding") for value in bound)


_UNREADABLE = (errors.NotFound, errors.FailedPrecondition, errors.InvalidRequest, errors.QuotaExceeded)
_known: "WeakKeyDictionary[async_sessionmaker[AsyncSession], _Known]" = WeakKeyDictionary()


async def of_events(
    deps: Dependencies, execution_id: ExecutionId, events: Iterable[events_pb2.Event]
) -> list[artifacts_pb2.Artifact]:
    """Return the artifacts of the tasks and of the execution that have succeeded according to these events.

    An output that cannot be its artifact, because a partition has no value for example, is logged and left out: the
    run has succeeded anyway.
    """
    found = []
    for event in events:
        producer = await _producer(deps, execution_id, event)
        if producer is not None and producer.declared:
            found.extend(await _artifacts(deps, producer))
    return found


async def _producer(deps: Dependencies, execution_id: ExecutionId, event: events_pb2.Event) -> _Producer | None:
    if event.HasField("task") and event.task.phase == _SUCCEEDED_TASK and event.task.output_uri:
        return await _task(deps, event.task)
    if event.HasField("workflow") and event.workflow.phase == _SUCCEEDED_WORKFLOW and event.workflow.output_uri:
        return await _workflow(deps, execution_id, event.workflow.output_uri)
    return None


async def _task(deps: Dependencies, event: event_pb2.TaskExecutionEvent) -> _Producer:
    node = event.parent_node_execution_id
    source = artifacts_pb2.ArtifactSource(
        execution=node.execution_id, entity=event.task_id, node_id=node.node_id, retry_attempt=event.retry_attempt
    )
    return _Producer(source, await _of_task(deps, event.task_id), event.input_uri, event.output_uri)


async def _workflow(deps: Dependencies, execution_id: ExecutionId, outputs_uri: str) -> _Producer | None:
    """Return the producer that an execution is; None if it is one of a single task, whose task is the producer."""
    known = _of(deps)
    query = select(ExecutionRow.workflow_id, ExecutionRow.inputs_uri).where(
        execution_rows.of_execution(ExecutionRow, execution_id), ExecutionRow.launch_entity != "task"
    )
    async with deps.sessions() as session:
        execution = (await session.execute(query)).one_or_none()
        if execution is None or known.workflows.get(execution.workflow_id) == {}:
            return None
        workflow = (
            await session.execute(
                select(WorkflowRow.typed_interface, *_ENTITY_KEY).where(WorkflowRow.id == execution.workflow_id)
            )
        ).one_or_none()
    if workflow is None:
        return None
    interface = stored_messages.parse(interface_pb2.TypedInterface, workflow.typed_interface)
    declared = known.workflows[execution.workflow_id] = outputs.declared(interface)
    key = (workflow.project, workflow.domain, workflow.name, workflow.version)
    source = artifacts_pb2.ArtifactSource(
        execution=execution_id, entity=identifiers.identifier(identifier_pb2.WORKFLOW, key)
    )
    return _Producer(source, declared, execution.inputs_uri, outputs_uri)


_ENTITY_KEY = (WorkflowRow.project, WorkflowRow.domain, WorkflowRow.name, WorkflowRow.version)


async def _of_task(deps: Dependencies, task_id: identifier_pb2.Identifier) -> Declared:
    known, key = _of(deps), identifiers.entity_key(task_id)
    if key in known.tasks:
        return known.tasks[key]
    if key in known.unregistered:
        return {}
    async with deps.sessions() as session:
        row = await session.get(TaskRow, key)
    if row is None:
        known.unregistered[key] = True
        return {}
    template = stored_messages.parse(task_pb2.TaskClosure, row.closure).compiled_task.template
    declared = known.tasks[key] = outputs.declared(template.interface)
    return declared


def _of(deps: Dependencies) -> _Known:
    return _known.setdefault(deps.sessions, _Known())


async def _artifacts(deps: Dependencies, producer: _Producer) -> list[artifacts_pb2.Artifact]:
    inputs = literals_pb2.LiteralMap()
    try:
        made = await stored_messages.load(deps.blobs, producer.outputs_uri, literals_pb2.LiteralMap)
        if producer.binds_inputs and producer.inputs_uri:
            inputs = await stored_messages.load(deps.blobs, producer.inputs_uri, literals_pb2.LiteralMap)
    except _UNREADABLE as e:  # A repetition could not read them either, and the run must go on.
        for name in producer.declared:
            _skip(producer, name, e)
        return []
    artifacts = []
    for name, variable in producer.declared.items():
        try:
            artifacts.append(_artifact(producer, name, variable, made, inputs))
        except errors.InvalidRequest as e:
            _skip(producer, name, e)
    return artifacts


def _skip(producer: _Producer, output: str, why: errors.FlyteError) -> None:
    SKIPPED.inc()
    execution = ":".join(identifiers.execution_key(producer.source.execution))
    _log.warning(
        "artifact_skipped", execution=execution, node=producer.source.node_id, output=output, reason=why.message
    )


def _artifact(
    producer: _Producer,
    name: str,
    variable: interface_pb2.Variable,
    made: literals_pb2.LiteralMap,
    inputs: literals_pb2.LiteralMap,
) -> artifacts_pb2.Artifact:
    if name not in made.literals:
        raise errors.InvalidRequest("it has no value")
    literal = made.literals[name]
    found = types.infer(literal)
    if not types.castable(found, variable.type):
        raise errors.InvalidRequest(f"it is of type {types.text(found)}, not of type {types.text(variable.type)}")
    execution, partial = producer.source.execution, variable.artifact_partial_id
    identifier = artifact_id_pb2.ArtifactID(
        artifact_key=artifact_id_pb2.ArtifactKey(
            project=execution.project, domain=execution.domain, name=partial.artifact_key.name
        ),
        version=f"{producer.version}.{name}",
    )
    # What an execution returns is a value of one of its tasks, with the partitions of the artifact that this is there.
    given = _runtime(literal) if producer.source.node_id else artifact_id_pb2.ArtifactID()
    _bind(identifier, partial, given, inputs)
    return artifacts_pb2.Artifact(
        id=identifier,
        source=producer.source,
        type=variable.type,
        description=variable.description,
        outputs_uri=producer.outputs_uri,
        output=name,
    )


def _runtime(literal: literals_pb2.Literal) -> artifact_id_pb2.ArtifactID:
    """Return the values of partitions that the code of the task has given."""
    encoded = literal.metadata.get(values.RUNTIME, "")
    try:
        return artifact_id_pb2.ArtifactID.FromString(base64.b64decode(encoded, validate=True))
    except (binascii.Error, DecodeError) as e:
        raise errors.InvalidRequest(f"the partitions in its metadata cannot be read: {e}") from e


def _bind(
    identifier: artifact_id_pb2.ArtifactID,
    partial: artifact_id_pb2.ArtifactID,
    given: artifact_id_pb2.ArtifactID,
    inputs: literals_pb2.LiteralMap,
) -> None:
    """Set the values of all partitions; those that the code of the task has given come first."""
    unknown = sorted(set(given.partitions.value) - set(partial.partitions.value))
    if unknown:
        raise errors.InvalidRequest(f"its artifact has no partition {unknown[0]}")
    for key, value in sorted(partial.partitions.value.items()):
        text = given.partitions.value[key].static_value if key in given.partitions.value else value.static_value
        if not text and value.HasField("input_binding"):
            text = values.partition_text(value.input_binding.var, inputs.literals[value.input_binding.var])
        if not text:
            raise errors.InvalidRequest(f"partition {key} has no value; give one to create_from")
        validation.check_length(text, f"the value of partition {key}", values.MAX_CHARACTERS)
        identifier.partitions.value[key].static_value = text
    if given.HasField("time_partition") and not partial.HasField("time_partition"):
        raise errors.InvalidRequest("its artifact has no time partition")
    if partial.HasField("time_partition"):
        _bind_time(identifier.time_partition, partial.time_partition, given.time_partition, inputs)


def _bind_time(
    time: artifact_id_pb2.TimePartition,
    partial: artifact_id_pb2.TimePartition,
    given: artifact_id_pb2.TimePartition,
    inputs: literals_pb2.LiteralMap,
) -> None:
    value = given.value if given.value.HasField("time_value") else partial.value
    if value.HasField("input_binding"):
        moment = inputs.literals[value.input_binding.var].scalar.primitive.datetime
    elif value.HasField("time_value"):
        moment = value.time_value
    else:
        raise errors.InvalidRequest("its time partition has no value; give one to create_from")
    time.granularity = given.granularity or partial.granularity or artifact_id_pb2.DAY
    time.value.time_value.CopyFrom(times.timestamp(values.truncated(times.moment(moment), time.granularity)))
