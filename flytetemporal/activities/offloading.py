"""Write large values into files of their own, and read them back: the files behind ``idl/offloading``."""

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
# What fails that cannot read references and whose values are too large to be given inline.
UNREADABLE = "LiteralOffloadingNotSupported"


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes of one literal: offloaded from ``least`` on (0: never), refused from ``most`` on.

    ``inline`` is the most that references are replaced by, all inputs of a task together.
    """

    least: int = 64 * 1024
    most: int = 1000 * MEBIBYTE
    inline: int = 64 * MEBIBYTE

    @classmethod
    def of(cls, settings: WorkerSettings) -> "Limits":
        """Return the limits that a worker is set to."""
        return cls(settings.offload_min_bytes, settings.offload_max_bytes, settings.inline_max_bytes)

    def concern(self, size: int) -> bool:
        """Say whether a map of this size may hold a value that is offloaded or refused."""
        return size >= self.most or (bool(self.least) and size >= self.least)


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
        """Replace large values by references to files in ``directory``; say whether there were any.

        The types of the references are the declared ones of ``variables``, else what the values look like.

        Raises:
            ValueTooLarge: a value reaches the limit.
        """
        large = []
        for name in sorted(values.literals):
            literal = values.literals[name]
            is_offloaded = offloading.is_offloaded(literal)
            size = literal.offloaded_metadata.size_bytes if is_offloaded else literal.ByteSize()
            if size >= self.limits.most:
                raise ValueTooLarge(f"the value of [{name}] has {size} bytes; the limit is {self.limits.most}")
            if self.limits.least and size >= self.limits.least and not is_offloaded:
                large.append(name)

        for name in large:  # One after another: each may be as large as memory allows.
            uri = locations.offloaded_uri(directory, name)
            await self._replace(values.literals[name], uri, _declared(variables, name))
        return bool(large)

    async def offload_elements(self, values: literals_pb2.LiteralCollection, directory: str, name: str) -> None:
        """Replace large values of a list by references to files in ``directory``."""
        for position, literal in enumerate(values.literals):
            is_large = self.limits.least and literal.ByteSize() >= self.limits.least
            if is_large and not offloading.is_offloaded(literal):
                await self._replace(literal, locations.offloaded_uri(directory, f"{name}-{position}"), None)

    async def _replace(
        self, literal: literals_pb2.Literal, uri: str, literal_type: types_pb2.LiteralType | None
    ) -> None:
        reference = offloading.reference(literal, uri, literal_type or types.infer_if_known(literal))
        await self._blobs.write_message(uri, literal)
        literal.CopyFrom(reference)

    async def read(self, uri: str) -> literals_pb2.Literal:
        """Return what a reference stands for.

        Raises:
            ResolutionFailed: it is not there, or it is none of our files.
            Internal: the file holds no literal.
        """
        if not self._blobs.owns(uri):
            raise ResolutionFailed(f"the offloaded value at [{uri}] lies outside the store of this installation")
        try:
            return await self._blobs.read_message(uri, literals_pb2.Literal)
        except NotFound as e:
            raise ResolutionFailed(f"an offloaded value is gone: {e.message}") from e

    async def resolve(
        self, bindings: Iterable[literals_pb2.Binding], source: literals.Source, aliases: literals.Aliases
    ) -> literals_pb2.LiteralMap:
        """Resolve bindings, reading the offloaded values of which they name a part.

        Raises:
            ResolutionFailed: a binding names what is not there.
        """
        bound, loaded = list(bindings), dict[str, literals_pb2.Literal]()
        while True:
            try:
                return literals.resolve(bound, source, aliases, loaded)
            except ValueOffloaded as missing:
                loaded[missing.uri] = await self.read(missing.uri)

    async def inlined(
        self, values: literals_pb2.LiteralMap, names: Iterable[str] | None = None, limit: int = 0
    ) -> literals_pb2.LiteralMap:
        """Return the values with no reference left in those that ``names`` tells, all unless given.

        ``limit`` is in bytes, the one of the settings unless given.

        Raises:
            ResolutionFailed: an offloaded value cannot be read.
            ValueTooLarge: they would exceed the limit together.
        """
        wanted = sorted(values.literals if names is None else set(names) & set(values.literals))
        if not any(True for _ in offloading.references(values.literals[name] for name in wanted)):
            return values
        most = limit or self.limits.inline
        found = literals_pb2.LiteralMap()
        found.CopyFrom(values)
        total = 0
        for name in wanted:
            total += await self._put_in(name, found.literals[name], most - total)
        return found

    async def _put_in(self, name: str, literal: literals_pb2.Literal, room: int) -> int:
        """Replace all references in one value and return its size."""
        while uris := list(dict.fromkeys(found.uri for found in offloading.references([literal]))):
            size = sum(await self._sizes(uris))
            if size > room:
                raise ValueTooLarge(
                    f"the value of [{name}] is offloaded and has {size} bytes; {max(room, 0)} are left of what may be "
                    "given inline"
                )
            loaded = dict(zip(uris, await for_each(self.read, uris, CONCURRENT_FILES), strict=True))
            offloading.inline(literal, loaded)
        return literal.ByteSize()

    async def _sizes(self, uris: list[str]) -> list[int]:
        async def size(uri: str) -> int:
            try:
                return await self._blobs.size_bytes(uri) if self._blobs.owns(uri) else 0
            except NotFound:
                return 0  # Reading it says so.

        return await for_each(size, uris, CONCURRENT_FILES)

    async def opened(self, literal: literals_pb2.Literal) -> literals_pb2.Literal:
        """Return the value behind a reference; what is offloaded inside it stays so."""
        while offloading.is_offloaded(literal):
            literal = await self.read(literal.offloaded_metadata.uri)
        return literal


def _declared(variables: Mapping[str, interface_pb2.Variable] | None, name: str) -> types_pb2.LiteralType | None:
    return variables[name].type if variables is not None and name in variables else None
