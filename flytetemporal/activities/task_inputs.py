"""The inputs of a task attempt: resolve them, and write the files that the task reads."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Sequence

from flyteidl.core import literals_pb2
from google.protobuf.message import Message

from flytetemporal.activities import data, outputs
from flytetemporal.activities.arrays import ElementReader
from flytetemporal.activities.offloading import UNREADABLE, Offloading
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest, NotFound, ResolutionFailed, StoreAccessDenied, ValueTooLarge
from flytetemporal.idl import locations, offloading
from flytetemporal.plugins import command_template
from flytetemporal.plugins.protocol import Rejected
from flytetemporal.storage.blobs import BlobStore


class TaskInputs:
    """Reads and writes the inputs of attempts."""

    def __init__(self, blobs: BlobStore, offloads: Offloading) -> None:
        self._blobs = blobs
        self._offloading = offloads
        self._elements = ElementReader(blobs)

    async def resolve(self, attempt: Attempt) -> tuple[literals_pb2.LiteralMap, literals_pb2.LiteralMap]:
        """Return the inputs, those that the command names inline, and the map for the file that the task reads.

        Raises:
            ResolutionFailed: a binding names a value that does not exist.
            Rejected: the task cannot read references, and the values are too large to be inlined.
        """
        given = attempt.request.inputs
        if given.WhichOneof("value") == "element":
            values, file = await self._elements.inputs(given.element)
        else:
            values = file = await data.resolve_inputs(self._offloading, self._blobs, given)
        try:
            named = await self._offloading.inlined(values, command_template.inputs_named(attempt.arguments))
            return named, file if self._keeps_references(attempt) else await self._offloading.inlined(file)
        except ValueTooLarge as e:
            raise Rejected(UNREADABLE, attempt.describe(e)) from e

    async def for_key(self, attempt: Attempt) -> literals_pb2.LiteralMap | None:
        """Return the inputs that the cache key of an attempt is made of; None if they cannot be told.

        Raises: see ``resolve``.
        """
        values, _ = await self.resolve(attempt)
        if not attempt.reads_whole_inputs:
            return values
        index = attempt.request.element.index
        if attempt.task.task_type_version == 0:  # A dynamic task has written the inputs of each element.
            uri = locations.inputs_uri(locations.element_dir(locations.parent(attempt.inputs_uri), index))
            with contextlib.suppress(NotFound):
                return await self._blobs.read_message(uri, literals_pb2.LiteralMap)
            return None
        return await asyncio.to_thread(_at, values, index, command_template.bound_names(attempt.arguments))

    def _keeps_references(self, attempt: Attempt) -> bool:
        """Whether the task's file is left as it is. An array has inlined the file that all its elements read."""
        is_on = bool(self._offloading.limits.least)
        return attempt.reads_whole_inputs or (is_on and offloading.reads_references(attempt.task))

    async def with_checkpoint(self, attempt: Attempt) -> Attempt:
        """Return the attempt with the newest checkpoint that an earlier attempt has saved, or none.

        flytekit takes any address that it is handed for a checkpoint, and fails if it cannot be read.
        """
        previous = attempt.request.previous_checkpoint_dir
        if not previous:
            return attempt
        try:
            found = await self._newest_checkpoint([previous, *attempt.request.older_checkpoint_dirs])
        except InvalidRequest:
            return attempt  # Raw outputs can be in a store that only the task can read.
        if found == previous:
            return attempt
        request = execution_pb2.TaskAttempt()
        request.CopyFrom(attempt.request)
        request.previous_checkpoint_dir = found
        return Attempt(request, attempt.task)

    async def _newest_checkpoint(self, directories: Iterable[str]) -> str:
        for directory in directories:
            if await self._blobs.tree(directory):
                return directory
        return ""

    async def write_for_readers(self, attempt: Attempt) -> None:
        """Write the inputs of an attempt that is refused: its events name the file, and clients read it."""
        if attempt.reads_whole_inputs:
            return
        # An attempt is also refused because of its inputs. Then there are none to show. If the store denies access, the
        # reason for the refusal still matters more.
        with contextlib.suppress(Rejected, ResolutionFailed, StoreAccessDenied):
            _, file = await self.resolve(attempt)
            await self._blobs.write_message(locations.inputs_uri(attempt.request.data_dir), file)

    async def write(self, attempt: Attempt, file: literals_pb2.LiteralMap) -> None:
        """Write what the task reads, and remove what an earlier execution of the activity has written."""
        await self.clear(attempt)
        await self._blobs.write_messages(self.files(attempt, file))

    async def clear(self, attempt: Attempt) -> None:
        """Remove what an earlier execution of the activity has written."""
        for directory in {attempt.request.output_dir, attempt.written_dir}:
            await outputs.clear(self._blobs, directory)

    def files(self, attempt: Attempt, file: literals_pb2.LiteralMap) -> Sequence[tuple[str, Message]]:
        """Return the files that the task reads, by their URIs; ``file`` is that of its inputs."""
        files: list[tuple[str, Message]] = []
        if not attempt.reads_whole_inputs:  # The array has written those once for all its elements.
            files.append((locations.inputs_uri(attempt.request.data_dir), file))
        if command_template.wants_task_template(attempt.arguments):
            files.append((attempt.places.task_template_uri, attempt.task))
        return files


def _at(whole: literals_pb2.LiteralMap, index: int, bound: Collection[str]) -> literals_pb2.LiteralMap | None:
    """Return the inputs of one element of a container_array, as flyteplugins' tasks/plugins/array/catalog.go does.

    None if a list is too large to be inline: an element must not read those of all others.
    """
    found = literals_pb2.LiteralMap()
    for name, literal in whole.literals.items():
        if offloading.is_offloaded(literal) and offloading.may_be_list(literal):
            return None
        mapped = literal.WhichOneof("value") == "collection" and name not in bound
        if mapped and index >= len(literal.collection.literals):
            return None
        found.literals[name].CopyFrom(literal.collection.literals[index] if mapped else literal)
    return found
