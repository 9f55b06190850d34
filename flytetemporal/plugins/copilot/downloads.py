"""Write the inputs of a raw container into a folder: a file or folder per variable, and one document with all.

The layout mirrors flytecopilot's data/download.go, except that the parts of a multipart blob keep their names below the
blob and not those of the whole store.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx
from flyteidl.core import literals_pb2, tasks_pb2, types_pb2

from flytetemporal.errors import InvalidRequest, NotFound, Unavailable
from flytetemporal.idl import locations
from flytetemporal.plugins.copilot import conversions
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

FAILED = "InputDownloadFailed"
# Values nest, so the number of files is bounded by one semaphore for all of them.
_CONCURRENT_FILES = 16
_CONCURRENT_VALUES = 64
_SECONDS = 60.0


async def download(
    blobs: BlobStore,
    inputs: literals_pb2.LiteralMap,
    folder: Path,
    seen_at: str,
    form: tasks_pb2.DataLoadingConfig.LiteralMapFormat,
) -> None:
    """Fill ``folder``, whose path in the container is ``seen_at``.

    Raises:
        InvalidRequest: a value has no form as a file.
        NotFound: the data of a value is gone.
        Unavailable: the store does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    staging = _Staging(blobs, asyncio.Semaphore(_CONCURRENT_FILES))
    staged = await staging.map(inputs.literals, _Place(folder, PurePosixPath(seen_at)))
    local = literals_pb2.LiteralMap(literals=staged.literals)
    (folder / locations.INPUTS).write_bytes(local.SerializeToString(deterministic=True))
    named = conversions.document(staged.values, form)
    if named is not None:
        name, text = named
        (folder / name).write_text(text)


@dataclass(frozen=True, slots=True)
class _Place:
    """A path on this machine, and the same path in the container."""

    path: Path
    seen: PurePosixPath

    def child(self, name: str) -> "_Place":
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise InvalidRequest(f"[{name}] cannot be the name of a file")
        return _Place(self.path / name, self.seen / name)


@dataclass(frozen=True, slots=True)
class _Map:
    values: Mapping[str, object]
    literals: Mapping[str, literals_pb2.Literal]


@dataclass(frozen=True, slots=True)
class _Staging:
    blobs: BlobStore
    slots: asyncio.Semaphore

    async def map(self, literals: Mapping[str, literals_pb2.Literal], place: _Place) -> _Map:
        """Write each entry into its own file or folder."""
        place.path.mkdir(parents=True, exist_ok=True)
        names = sorted(literals)
        found = await for_each(lambda name: self._named(name, literals[name], place), names, _CONCURRENT_VALUES)
        values = {name: value for name, (value, _) in zip(names, found, strict=True)}
        return _Map(values, {name: local for name, (_, local) in zip(names, found, strict=True)})

    async def _named(
        self, name: str, literal: literals_pb2.Literal, place: _Place
    ) -> tuple[object, literals_pb2.Literal]:
        try:
            return await self._literal(literal, place.child(name))
        except (InvalidRequest, NotFound) as e:
            raise type(e)(f"input [{name}]: {e.message}") from e

    async def _literal(self, literal: literals_pb2.Literal, place: _Place) -> tuple[object, literals_pb2.Literal]:
        """Return the value for the document, and the literal with paths in place of URIs."""
        match literal.WhichOneof("value"):
            case "scalar":
                return await self._scalar(literal.scalar, place)
            case "collection":
                items = {str(number): item for number, item in enumerate(literal.collection.literals)}
                staged = await self.map(items, place)
                local = literals_pb2.LiteralCollection(literals=[staged.literals[number] for number in items])
                return [staged.values[number] for number in items], literals_pb2.Literal(collection=local)
            case "map":
                staged = await self.map(literal.map.literals, place)
                return dict(staged.values), literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=staged.literals))
            case kind:
                raise InvalidRequest(f"a literal of kind [{kind}] has no file")

    async def _scalar(self, scalar: literals_pb2.Scalar, place: _Place) -> tuple[object, literals_pb2.Literal]:
        local = literals_pb2.Literal(scalar=scalar)
        match scalar.WhichOneof("value"):
            case "union":
                return await self._literal(scalar.union.value, place)
            case "blob":
                parts = scalar.blob.metadata.type.dimensionality == types_pb2.BlobType.MULTIPART
                await (self._folder if parts else self._file)(scalar.blob.uri, place.path)
                local.scalar.blob.uri = str(place.seen)
            case "schema":
                await self._folder(scalar.schema.uri, place.path)
                local.scalar.schema.uri = str(place.seen)
            case "structured_dataset":
                await self._folder(scalar.structured_dataset.uri, place.path)
                local.scalar.structured_dataset.uri = str(place.seen)
            case _:
                place.path.write_bytes(conversions.file_content(scalar))
                return conversions.document_value(scalar), local
        return str(place.seen), local

    async def _folder(self, uri: str, path: Path) -> None:
        names = await self.blobs.tree(uri)
        if not names:
            raise NotFound(f"there are no files at [{uri}]")
        path.mkdir(parents=True, exist_ok=True)
        await for_each(lambda name: self._file(locations.join(uri, name), path / name), names, _CONCURRENT_VALUES)

    async def _file(self, uri: str, path: Path) -> None:
        async with self.slots:
            path.parent.mkdir(parents=True, exist_ok=True)
            if uri.startswith(("http://", "https://")):
                await _fetch(uri, path)
            else:
                await self.blobs.download(uri, path)


async def _fetch(uri: str, path: Path) -> None:
    try:
        async with (
            httpx.AsyncClient(follow_redirects=True, timeout=_SECONDS) as client,
            client.stream("GET", uri) as answer,
        ):
            if answer.is_error:
                raise NotFound(f"[{uri}] answers with status {answer.status_code}")
            with path.open("wb") as file:
                async for chunk in answer.aiter_bytes():
                    await asyncio.to_thread(file.write, chunk)
    except httpx.InvalidURL as e:
        raise InvalidRequest(f"[{uri}] is not a valid URL") from e
    except httpx.HTTPError as e:
        raise Unavailable(f"[{uri}] does not answer: {e}") from e
