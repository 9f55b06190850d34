"""Write large values to their own files, and read them: the I/O of ``idl/offloading``.

What takes time proportional to the size of the values runs in threads: the worker's event loop heartbeats for all its
activities. In protobuf even ``ByteSize`` serializes the message.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flyteidl.core import interface_pb2, literals_pb2, types_pb2

from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import NotFound, ResolutionFailed, ValueOffloaded, ValueTooLarge
from flytetemporal.idl import literals, locations, offloading, types
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

CONCURRENT_FILES = 16
MEBIBYTE = 1024 * 1024
# The code of an error: a task cannot read references, and its values are too large to be inlined.
UNREADABLE = "LiteralOffloadingNotSupported"


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes of one literal: offloaded from ``least`` on (0: never), refused from ``most`` on.

    ``inline`` is the limit of the values that replace references, for all inputs of a task together.
    """

    least: int = 64 * 1024
    most: int = 1000 * MEBIBYTE
    inline: int = 64 * MEBIBYTE

    @classmethod
    def of(cls, settings: WorkerSettings) -> "Limits":
        """Return the limits in the settings of a worker."""
        return cls(settings.offload_min_bytes, settings.offload_max_bytes, settings.inline_max_bytes)


DEFAULTS = Limits()


class Offloading:
    """The offloaded literals of one store."""

    def __init__(self, blobs: BlobStore, limits: Limits = DEFAULTS) -> None:
        self._blobs = blobs
        self.limits = limits

    async def offload(
        self,
        values: literals_pb2.LiteralMap,
        directory: str,
        variables: Mapping[str, interface_pb2.Variable] | None = None,
    ) -> bool:
        """Replace large values by references to files in ``directory``; return whether there were any.

        The references have the types declared in ``variables``, else types inferred from the values.

        Raises:
            ValueTooLarge: a value reaches the limit.
        """
        large = await asyncio.to_thread(self._large, values)
        for name in large:  # One after another, since each can be as large as memory allows.
            uri = locations.offloaded_uri(directory, name)
            await self._replace(values.literals[name], uri, _declared(variables, name))
        return bool(large)

    def _large(self, values: literals_pb2.LiteralMap) -> list[str]:
        """Return the names of the values to offload. Raises ``ValueTooLarge``."""
        large = []
        for name in sorted(values.literals):
            literal = values.literals[name]
            is_offloaded = offloading.is_offloaded(literal)
            size = literal.offloaded_metadata.size_bytes if is_offloaded else literal.ByteSize()
            if size >= self.limits.most:
                raise ValueTooLarge(f"the value of [{name}] has {size} bytes; the limit is {self.limits.most}")
            if self.limits.least and size >= self.limits.least and not is_offloaded:
                large.append(name)
        return large

    async def offload_elements(self, values: literals_pb2.LiteralCollection, directory: str, name: str) -> None:
        """Replace large values of a list by references to files in ``directory``."""
        for position in await asyncio.to_thread(self._large_elements, values):
            uri = locations.offloaded_uri(directory, f"{name}-{position}")
            await self._replace(values.literals[position], uri, None)

    def _large_elements(self, values: literals_pb2.LiteralCollection) -> list[int]:
        least = self.limits.least
        return [
            position
            for position, literal in enumerate(values.literals)
            if least and literal.ByteSize() >= least and not offloading.is_offloaded(literal)
        ]

    async def _replace(
        self, literal: literals_pb2.Literal, uri: str, literal_type: types_pb2.LiteralType | None
    ) -> None:
        reference = await asyncio.to_thread(_reference, literal, uri, literal_type)
        await self._blobs.write_message(uri, literal)
        literal.CopyFrom(reference)

    async def read(self, uri: str) -> literals_pb2.Literal:
        """Return the value of a reference.

        Raises:
            ResolutionFailed: the file does not exist, or it is outside of the store of the installation.
            Internal: the file is not a literal.
        """
        if not self._blobs.owns(uri):
            raise ResolutionFailed(f"the offloaded value at [{uri}] is outside the store of this installation")
        try:
            return await self._blobs.read_message(uri, literals_pb2.Literal)
        except NotFound as e:
            raise ResolutionFailed(f"an offloaded value is gone: {e.message}") from e

    async def resolve(
        self, bindings: Iterable[literals_pb2.Binding], source: literals.Source, aliases: literals.Aliases
    ) -> literals_pb2.LiteralMap:
        """Resolve bindings, and read the offloaded values of which they name a part.

        Raises:
            ResolutionFailed: a binding names a value that does not exist, or nests it too deep.
        """
        bound, loaded = list(bindings), dict[str, literals_pb2.Literal]()
        values: literals_pb2.LiteralMap | None = None
        while values is None:
            try:
                values = await asyncio.to_thread(literals.resolve, bound, source, aliases, loaded)
            except ValueOffloaded as missing:
                loaded[missing.uri] = await self.read(missing.uri)
        if too_deep := await asyncio.to_thread(literals.nested_too_deep, bound, values):
            raise literals.depth_failure(too_deep)
        return values

    async def inlined(
        self, values: literals_pb2.LiteralMap, names: Iterable[str] | None = None, limit: int = 0
    ) -> literals_pb2.LiteralMap:
        """Return the values with all references replaced in those that ``names`` contains, by default in all.

        ``limit`` is in bytes, by default that of the settings.

        Raises:
            ResolutionFailed: an offloaded value cannot be read.
            ValueTooLarge: the values exceed the limit together.
        """
        wanted = sorted(values.literals if names is None else set(names) & set(values.literals))
        if not wanted or not await asyncio.to_thread(_have_references, values, wanted):
            return values
        most = limit or self.limits.inline
        found = await asyncio.to_thread(literals.copied, values)
        total = 0
        for name in wanted:
            total += await self._put_in(name, found.literals[name], most - total)
        return found

    async def _put_in(self, name: str, literal: literals_pb2.Literal, room: int) -> int:
        """Replace all references in one value and return its size."""
        while uris := await asyncio.to_thread(_referenced, literal):
            size = sum(await self._sizes(uris))
            if size > room:
                raise ValueTooLarge(
                    f"the value of [{name}] is offloaded and has {size} bytes; {max(room, 0)} are left of what can be "
                    "inlined"
                )
            loaded = dict(zip(uris, await for_each(self.read, uris, CONCURRENT_FILES), strict=True))
            await asyncio.to_thread(offloading.inline, literal, loaded)
        return await asyncio.to_thread(literal.ByteSize)

    async def _sizes(self, uris: list[str]) -> list[int]:
        async def size(uri: str) -> int:
            try:
                return await self._blobs.size_bytes(uri) if self._blobs.owns(uri) else 0
            except NotFound:
                return 0  # Reading it raises the error.

        return await for_each(size, uris, CONCURRENT_FILES)

    async def opened(self, literal: literals_pb2.Literal) -> literals_pb2.Literal:
        """Return the value of a reference; references inside it stay."""
        while offloading.is_offloaded(literal):
            literal = await self.read(literal.offloaded_metadata.uri)
        return literal


def _reference(
    literal: literals_pb2.Literal, uri: str, literal_type: types_pb2.LiteralType | None
) -> literals_pb2.Literal:
    return offloading.reference(literal, uri, literal_type or types.infer_if_known(literal))


def _have_references(values: literals_pb2.LiteralMap, names: Iterable[str]) -> bool:
    return any(True for _ in offloading.references(values.literals[name] for name in names))


def _referenced(literal: literals_pb2.Literal) -> list[str]:
    return list(dict.fromkeys(found.uri for found in offloading.references([literal])))


def _declared(variables: Mapping[str, interface_pb2.Variable] | None, name: str) -> types_pb2.LiteralType | None:
    return variables[name].type if variables is not None and name in variables else None
