"""Cached outputs of task attempts: looked up before anything is started, stored after a success.

The catalog can only save work, never cost a run: if it does not answer, the task runs, and the status of its node says
so. Flyte repeats the lookup instead, for as long as the catalog is down.
"""

import asyncio
import contextlib
import functools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from flyteidl.core import catalog_pb2, identifier_pb2, interface_pb2, literals_pb2
from flyteidl.datacatalog import datacatalog_pb2 as datacatalog
from flyteidl.event import event_pb2
from temporalio import activity

from flytetemporal.activities.caching import metadata
from flytetemporal.activities.caching.catalog import Catalog, answer
from flytetemporal.activities.data import node_outputs
from flytetemporal.activities.offloading import Offloading
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.activities.task_inputs import TaskInputs
from flytetemporal.contracts.v1 import cache_operations_pb2, execution_pb2
from flytetemporal.errors import AlreadyExists, FlyteError, Internal, InvalidRequest, NotFound
from flytetemporal.idl import cache_keys, locations, offloading, times, types
from flytetemporal.idl.cache_keys import CacheKey
from flytetemporal.plugins.transient import DENIED, retry_transient
from flytetemporal.storage.blobs import BlobStore

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_LARGE_BYTES = 16 * 1024
# An attempt that has waited longer since its lookup, for a slot of a worker, looks again: others can have stored its
# outputs.
_RECENT = timedelta(seconds=5)


@dataclass(slots=True)
class CacheUse:
    """What one attempt does with the cache.

    ``outputs`` are those that the task declares, of an array's element one value each. ``replaces``: what is stored
    under the key is not to be used. ``outlives``: the attempt has generated a workflow, which goes on to compute the
    outputs.
    """

    key: CacheKey
    outputs: interface_pb2.VariableMap
    replaces: bool = False
    outlives: bool = False
    metadata: event_pb2.TaskNodeMetadata = field(default_factory=event_pb2.TaskNodeMetadata)
    hit: literals_pb2.LiteralMap | None = None

    @property
    def dataset(self) -> datacatalog.DatasetID:
        """The dataset of the key."""
        key = self.key
        return datacatalog.DatasetID(project=key.project, domain=key.domain, name=key.name, version=key.version)

    def note(
        self,
        status: catalog_pb2.CatalogCacheStatus,
        artifact_id: str = "",
        tag: str = "",
        source: identifier_pb2.TaskExecutionIdentifier | None = None,
    ) -> None:
        """Set what events say of the cache."""
        self.metadata.cache_status = status
        key = self.metadata.catalog_key
        key.dataset_id.CopyFrom(self.key.dataset_id)
        key.artifact_tag.name = tag or self.key.tag
        key.artifact_tag.artifact_id = artifact_id
        if source is not None:
            key.source_task_execution.CopyFrom(source)


class TaskCache:
    """Looks up and stores the outputs of attempts. Without a catalog, no attempt uses the cache."""

    def __init__(self, blobs: BlobStore, inputs: TaskInputs, offloads: Offloading, catalog: Catalog | None) -> None:
        self._blobs = blobs
        self._inputs = inputs
        self._offloading = offloads
        self._catalog = catalog

    async def look_up(self, attempt: Attempt) -> CacheUse | None:
        """Return how an attempt uses the cache, None if it does not; with a ``hit``, nothing needs to run.

        Raises: see ``key_of``.
        """
        use = await self.key_of(attempt)
        if use is None:
            return None
        if attempt.request.settings.overwrite_cache:
            use.replaces = True
            use.note(catalog_pb2.CACHE_SKIPPED)
        elif _was_missed(attempt):
            use.replaces = attempt.request.cache_miss.replaces
            use.note(catalog_pb2.CACHE_MISS)
        else:
            await self.look_again(attempt, use)
        return use

    async def key_of(self, attempt: Attempt) -> CacheUse | None:
        """Return the key of an attempt, without a lookup; None if it does not use the cache.

        Raises:
            ResolutionFailed: a binding names a value that does not exist.
            Rejected: the task cannot read references, and the values are too large to be inlined.
        """
        if self._catalog is None or not cache_keys.is_cacheable(attempt.task):
            return None
        template = cache_keys.of_element(attempt.task) if attempt.is_element else attempt.task
        values = await retry_transient(functools.partial(self._inputs.for_key, attempt), "inputs", DENIED)
        if values is None:
            return None
        try:
            # Hashing a megabyte takes long enough to miss heartbeats; for small values a thread costs more than that.
            if values.ByteSize() < _LARGE_BYTES:
                key = cache_keys.cache_key(template, values)
            else:
                key = await asyncio.to_thread(cache_keys.cache_key, template, values)
        except InvalidRequest as e:
            _log.warning("not_cached", attempt=attempt.request.generated_name, problem=e.message)
            return None
        return CacheUse(key, template.interface.outputs)

    async def look_again(self, attempt: Attempt, use: CacheUse) -> None:
        """Look for the outputs, which may have been stored since the last time."""
        if self._catalog is None:
            return
        try:
            await self._find(attempt, use, self._catalog)
        except FlyteError as e:
            _log.warning("cache_lookup_failed", attempt=attempt.request.generated_name, problem=e.message)
            use.note(catalog_pb2.CACHE_LOOKUP_FAILURE)
            use.hit = None

    async def _find(self, attempt: Attempt, use: CacheUse, catalog: Catalog) -> None:
        """Set ``hit`` if there is an artifact whose values can be used; after an error it means nothing."""
        use.note(catalog_pb2.CACHE_MISS)
        tagged = await self._tagged(use, catalog)
        if tagged is None:
            return
        found = cache_operations_pb2.LookedUp(tag=tagged[0], artifact=tagged[1])
        if not metadata.names_version(found.artifact.metadata.key_map):
            dataset = await answer(functools.partial(catalog.get_dataset, use.dataset))
            found.dataset_metadata.CopyFrom(dataset.metadata)
        await self.accept(attempt, use, found)

    async def accept(self, attempt: Attempt, use: CacheUse, found: cache_operations_pb2.LookedUp) -> None:
        """Set ``hit`` if a lookup has found an artifact whose values can be used.

        Raises:
            InvalidRequest: the task's interface does not have these values.
        """
        use.note(catalog_pb2.CACHE_MISS)
        if not found.tag:
            return
        artifact = found.artifact
        values = literals_pb2.LiteralMap(literals={one.name: one.value for one in artifact.data})
        _check(values, use.outputs)
        if not await self._is_complete(values):
            use.replaces = True
            return
        use.hit = values
        if artifact.id == _artifact_id(attempt):
            # An earlier execution of this activity has run the task, and its result was lost.
            use.note(catalog_pb2.CACHE_POPULATED, artifact.id, found.tag)
            return
        source = metadata.source(attempt.task.id, found.dataset_metadata.key_map, artifact.metadata.key_map)
        use.note(catalog_pb2.CACHE_HIT, artifact.id, found.tag, source)

    async def _tagged(self, use: CacheUse, catalog: Catalog) -> tuple[str, datacatalog.Artifact] | None:
        """Return the first tag of the key that names an artifact, and the artifact."""
        for tag in use.key.tags:
            with contextlib.suppress(NotFound):
                return tag, await answer(functools.partial(catalog.tagged, use.dataset, tag))
        return None

    async def _is_complete(self, values: literals_pb2.LiteralMap) -> bool:
        """Whether the files of all offloaded values exist."""
        for reference in offloading.references(offloading.values_by_name(values)):
            if not await self._blobs.exists(reference.uri):
                return False
        return True

    async def result(
        self, attempt: Attempt, use: CacheUse, inputs: literals_pb2.LiteralMap, *, is_new: bool = False
    ) -> execution_pb2.TaskAttemptResult:
        """Write inputs and outputs of an attempt that has a hit; return its result.

        ``is_new``: no activity has run for the attempt.
        """
        values = use.hit
        if values is None:
            raise Internal(f"attempt {attempt.request.generated_name} has no cached outputs")
        uri = locations.outputs_uri(attempt.request.output_dir)
        if not is_new:
            await self._inputs.clear(attempt)
        await self._offloading.offload(values, attempt.request.output_dir, use.outputs.variables)
        await self._blobs.write_messages([*self._inputs.files(attempt, inputs), (uri, values)])
        # The activity that gathers the outputs of all elements reads them from the store.
        outputs = execution_pb2.NodeOutputs(uri=uri) if attempt.is_element else node_outputs(values, uri)
        return execution_pb2.TaskAttemptResult(outputs=outputs, cache=use.metadata)

    async def store(self, attempt: Attempt, use: CacheUse, result: execution_pb2.TaskAttemptResult) -> None:
        """Store the outputs of an attempt that has succeeded, and describe that in ``result``.

        A dynamic node has no outputs yet. Its workflow stores them, by ``DynamicOutputs``.
        """
        if result.dynamic:
            use.outlives = True
            result.cache.CopyFrom(use.metadata)
            return
        if self._catalog is None or result.WhichOneof("outcome") != "outputs":
            return
        try:
            await self._put(attempt, use, await self._outputs(result), self._catalog)
        except FlyteError as e:
            _log.warning("cache_put_failed", attempt=attempt.request.generated_name, problem=e.message)
            # If the lookup has failed as well, that is the cause.
            if use.metadata.cache_status != catalog_pb2.CACHE_LOOKUP_FAILURE:
                use.note(catalog_pb2.CACHE_PUT_FAILURE)
        result.cache.CopyFrom(use.metadata)

    async def _outputs(self, result: execution_pb2.TaskAttemptResult) -> literals_pb2.LiteralMap:
        outputs = result.outputs
        if outputs.HasField("literals"):
            return outputs.literals
        return await self._blobs.read_message(outputs.uri, literals_pb2.LiteralMap)

    async def _put(self, attempt: Attempt, use: CacheUse, values: literals_pb2.LiteralMap, catalog: Catalog) -> None:
        artifact = datacatalog.Artifact(
            id=_artifact_id(attempt),
            dataset=use.dataset,
            data=[datacatalog.ArtifactData(name=name, value=values.literals[name]) for name in sorted(values.literals)],
            metadata=metadata.of_artifact(attempt),
        )
        replaced = await self._replace(use, artifact, catalog) if use.replaces else ""
        if not replaced:
            await self._create(attempt, artifact, catalog)
        named = replaced or artifact.id
        for name in use.key.tags:
            tag = datacatalog.Tag(name=name, artifact_id=named, dataset=use.dataset)
            with contextlib.suppress(AlreadyExists):  # The first writer wins, as in Flyte.
                await answer(functools.partial(catalog.add_tag, tag))
        made_here = metadata.source(attempt.task.id, metadata.of_dataset(attempt).key_map, artifact.metadata.key_map)
        use.note(catalog_pb2.CACHE_POPULATED, named, source=made_here if replaced else None)

    async def _replace(self, use: CacheUse, artifact: datacatalog.Artifact, catalog: Catalog) -> str:
        """Replace what the tags name; return the id of the first, empty if they name nothing."""
        replaced = []
        for tag in use.key.tags:
            with contextlib.suppress(NotFound):
                replaced.append(await answer(functools.partial(catalog.replace_tagged, tag, artifact)))
        return replaced[0] if replaced else ""

    async def _create(self, attempt: Attempt, artifact: datacatalog.Artifact, catalog: Catalog) -> None:
        creating = functools.partial(catalog.create_artifact, artifact)
        with contextlib.suppress(AlreadyExists):  # Created by an earlier execution of this activity.
            try:
                await answer(creating)
            except NotFound:
                dataset = datacatalog.Dataset(id=artifact.dataset, metadata=metadata.of_dataset(attempt))
                with contextlib.suppress(AlreadyExists):
                    await answer(functools.partial(catalog.create_dataset, dataset))
                await answer(creating)


def is_hit(result: execution_pb2.TaskAttemptResult) -> bool:
    """Whether the outputs come from the cache: then there is no task execution, and it has no events."""
    return result.cache.cache_status == catalog_pb2.CACHE_HIT


def _was_missed(attempt: Attempt) -> bool:
    """Whether the workflow has looked for the outputs a moment ago, and there were none."""
    # An earlier execution of the activity can have stored them.
    if not attempt.request.HasField("cache_miss") or activity.info().attempt > 1:
        return False
    return timedelta() <= datetime.now(UTC) - times.moment(attempt.request.cache_miss.at) < _RECENT


def _artifact_id(attempt: Attempt) -> str:
    """Return an id that a repeated activity makes again, so that it does not store its outputs twice."""
    node = attempt.node_execution_id
    execution = node.execution_id
    place = (execution.project, execution.domain, execution.name, node.node_id, str(attempt.request.attempt))
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "flyte://" + "/".join(place)))


def _check(values: literals_pb2.LiteralMap, declared: interface_pb2.VariableMap) -> None:
    """Refuse values that the task's interface does not have. Raises ``InvalidRequest``."""
    if set(values.literals) != set(declared.variables):
        raise InvalidRequest(
            f"the cached outputs are {sorted(values.literals)}, but the task has {sorted(declared.variables)}"
        )
    for name, literal in values.literals.items():
        found, expected = types.infer(literal), declared.variables[name].type
        if not types.castable(found, expected):
            problem = f"is of type {types.text(found)}, but the task declares {types.text(expected)}"
            raise InvalidRequest(f"the cached output [{name}] {problem}")
