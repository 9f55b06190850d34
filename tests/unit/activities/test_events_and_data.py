import dataclasses
import gzip
import hashlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from flyteidl.core import literals_pb2, tasks_pb2
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from flytetemporal import errors
from flytetemporal.activities.arrays import ArrayActivities
from flytetemporal.activities.caching.dynamic_outputs import DynamicOutputs
from flytetemporal.activities.caching.lookups import CacheLookups
from flytetemporal.activities.children import ChildActivities
from flytetemporal.activities.data import DataActivities, TemplateCache
from flytetemporal.activities.dynamic import DynamicActivities
from flytetemporal.activities.events import EventActivities
from flytetemporal.activities.interceptor import translated
from flytetemporal.activities.recovery import RecoveryActivities
from flytetemporal.activities.signals import SignalActivities
from flytetemporal.activities.slots import AttemptSlots
from flytetemporal.activities.tasks import TaskActivities
from flytetemporal.cli.wiring import plugins
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import events_pb2, execution_pb2, graph_pb2
from flytetemporal.storage.blobs import BlobStore
from tests.unit.activities.test_children import Executions
from tests.unit.activities.test_dynamic import Admin
from tests.unit.activities.test_recovery import Nodes
from tests.unit.activities.test_signals import Signals


class Sink:
    """Remembers events, or refuses them."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.events: list[events_pb2.Event] = []
        self.tentative: list[bool] = []
        self._problem = problem

    async def record_events(self, events: Sequence[events_pb2.Event], *, tentative: bool = False) -> None:
        self.tentative.append(tentative)
        if self._problem is not None:
            raise self._problem
        self.events.extend(events)


def value(number: int) -> literals_pb2.LiteralMap:
    literal = literals_pb2.Literal(scalar={"primitive": literals_pb2.Primitive(integer=number)})
    return literals_pb2.LiteralMap(literals={"a": literal})


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(f"file://{tmp_path}")


def report(blobs: BlobStore) -> execution_pb2.Report:
    files = [execution_pb2.StoredLiterals(uri=f"{blobs.root}/{i}/inputs.pb", literals=value(i)) for i in range(50)]
    event = events_pb2.Event()
    event.node.id.node_id = "n0"
    return execution_pb2.Report(files=files, events=[event])


def run(operation: Any, *arguments: Any) -> Any:
    """Run an activity as a worker does, errors translated."""

    async def translating() -> Any:
        with translated():
            return await operation(*arguments)

    return ActivityEnvironment().run(translating)


async def test_files_are_there_before_their_events(blobs: BlobStore) -> None:
    sink, sent = Sink(), report(blobs)

    await run(EventActivities(blobs, sink).record_events, sent)

    assert sink.events == list(sent.events)
    for i in range(50):
        assert await blobs.read_message(f"{blobs.root}/{i}/inputs.pb", literals_pb2.LiteralMap) == value(i)


async def test_a_report_from_within_a_workflow_task_is_tentative(blobs: BlobStore) -> None:
    """Temporal repeats it with the workflow task, and not with what has been decided."""
    sink = Sink()
    for is_local in (True, False):
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, is_local=is_local)
        await environment.run(EventActivities(blobs, sink).record_events, report(blobs))

    assert sink.tentative == [True, False]


async def test_an_unknown_execution_is_refused_for_good(blobs: BlobStore) -> None:
    with pytest.raises(ApplicationError) as caught:
        await run(EventActivities(blobs, Sink(errors.NotFound("gone"))).record_events, report(blobs))

    assert (caught.value.type, caught.value.non_retryable) == ("ExecutionNotFound", True)


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (errors.Unavailable("x"), False),
        (errors.QuotaExceeded("x"), False),
        (errors.Internal("x"), False),
        (errors.InvalidRequest("x"), True),
        (errors.PermissionDenied("x"), True),
    ],
)
async def test_only_what_may_pass_is_tried_again(blobs: BlobStore, error: errors.FlyteError, final: bool) -> None:
    with pytest.raises(ApplicationError) as caught:
        await run(EventActivities(blobs, Sink(error)).record_events, report(blobs))

    assert (caught.value.type, caught.value.non_retryable) == (type(error).__name__, final)


async def test_inputs_are_resolved_from_store_and_argument(blobs: BlobStore) -> None:
    await blobs.write_message(f"{blobs.root}/far.pb", value(7))
    request = execution_pb2.ResolveRequest(write_to=[f"{blobs.root}/x/inputs.pb", f"{blobs.root}/y/inputs.pb"])
    for node_id, alias in (("far", "a"), ("near", "renamed")):
        binding = request.inputs.bindings.add(var=node_id).binding
        binding.promise.node_id, binding.promise.var = node_id, alias
    request.inputs.sources["far"].uri = f"{blobs.root}/far.pb"
    request.inputs.sources["near"].literals.CopyFrom(value(8))
    request.inputs.aliases["near"].variables["renamed"] = "a"

    resolved = await run(DataActivities(blobs).resolve_inputs, request)

    assert resolved.literals.literals["far"].scalar.primitive.integer == 7
    assert resolved.literals.literals["near"].scalar.primitive.integer == 8
    for uri in request.write_to:
        assert await blobs.read_message(uri, literals_pb2.LiteralMap) == resolved.literals


async def test_large_values_are_returned_by_uri(blobs: BlobStore) -> None:
    request = execution_pb2.ResolveRequest(write_to=[f"{blobs.root}/inputs.pb"])
    request.inputs.bindings.add(var="x").binding.scalar.primitive.string_value = "x" * 20_000

    assert (await run(DataActivities(blobs).resolve_inputs, request)).uri == f"{blobs.root}/inputs.pb"


async def stored(blobs: BlobStore, content: bytes) -> execution_pb2.ContentReference:
    uri = f"{blobs.root}/content"
    await blobs.write(uri, content)
    return execution_pb2.ContentReference(uri=uri, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


async def test_a_graph_is_checked_against_its_digest(blobs: BlobStore) -> None:
    reference = await stored(blobs, b"graph")
    loaded = await run(DataActivities(blobs).load_graph, reference)
    await blobs.write(reference.uri, b"tampered")

    assert loaded.gzipped == b"graph"
    with pytest.raises(ApplicationError, match="other content"):
        await run(DataActivities(blobs).load_graph, reference)


async def test_templates_are_read_once(blobs: BlobStore) -> None:
    templates = graph_pb2.TaskTemplates(tasks=[tasks_pb2.TaskTemplate(type="a"), tasks_pb2.TaskTemplate(type="b")])
    reference = await stored(blobs, gzip.compress(templates.SerializeToString()))
    cache = TemplateCache(blobs)

    first = await cache.load(reference, 1)
    await blobs.delete(reference.uri)
    second = await cache.load(reference, 0)

    assert (first.type, second.type) == ("b", "a")
    with pytest.raises(errors.Internal, match="none at 2"):
        await cache.load(reference, 2)


def test_every_stub_has_an_implementation_that_looks_like_it(blobs: BlobStore, tmp_path: Path) -> None:
    sink, worker = Sink(), WorkerSettings(work_dir=str(tmp_path))
    implementations = [
        *DataActivities(blobs).all(),
        *EventActivities(blobs, sink).all(),
        *SignalActivities(blobs, Signals(None)).all(),
        *DynamicActivities(blobs, Admin()).all(),
        *CacheLookups(blobs).all(),
        *DynamicOutputs(blobs).all(),
        *ArrayActivities(blobs, Admin()).all(),
        *ChildActivities(blobs, Executions()).all(),
        *RecoveryActivities(blobs, Nodes()).all(),
        *TaskActivities(blobs, sink, plugins.registry(worker, StorageSettings(), blobs), AttemptSlots(1, 1)).all(),
    ]
    stubs = dict(inspect.getmembers(activities, inspect.iscoroutinefunction))
    for own in ("sweep", "upkeep_round", "launch_scheduled", "advance_backfill"):  # Admin's.
        del stubs[own]

    assert {implementation.__name__ for implementation in implementations} == set(stubs)
    for implementation in implementations:
        assert get_type_hints(implementation) == get_type_hints(stubs[implementation.__name__])
