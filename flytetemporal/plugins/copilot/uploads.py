"""Make outputs of the files in the output folder of a raw container: ``outputs.pb``, or ``error.pb`` if that fails.

Mirrors flytecopilot's data/upload.go, except that a folder keeps its subfolders. The container is not trusted: only
ordinary files are read, and nothing outside the folder.
"""

import asyncio
import glob
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flyteidl.core import errors_pb2, interface_pb2, literals_pb2, types_pb2

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import locations
from flytetemporal.plugins.copilot import conversions
from flytetemporal.plugins.protocol import ErrorKind
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

FAILED = "OutputUploadFailed"
ERROR_FILE = "_ERROR"
MAX_ERROR_BYTES = 1024 * 1024
# The limit of a value inside outputs.pb. Flyte's is 1 KiB.
MAX_VALUE_BYTES = 1024 * 1024
_CONCURRENT_FILES = 16


def unsupported(outputs: interface_pb2.VariableMap) -> list[str]:
    """Return the names of outputs whose types have no form as a file, with these types, sorted."""
    kinds = {name: variable.type for name, variable in outputs.variables.items()}
    return [
        f"{name} ({kind.WhichOneof('type')})"
        for name, kind in sorted(kinds.items())
        if kind.WhichOneof("type") != "blob" and not conversions.has_text(kind)
    ]


async def upload(
    blobs: BlobStore, folder: Path, outputs: interface_pb2.VariableMap, output_dir: str, raw_output_dir: str
) -> None:
    """Write the outputs to ``output_dir`` and their data below ``raw_output_dir``, or a recoverable error.

    Raises:
        Unavailable: the store does not answer.
    """
    try:
        literals = await _literals(_Folder(blobs, folder, raw_output_dir), outputs.variables)
    except InvalidRequest as e:
        error = errors_pb2.ContainerError(
            code=FAILED, message=e.message, kind=errors_pb2.ContainerError.RECOVERABLE, origin=ErrorKind.USER
        )
        await blobs.write_message(locations.join(output_dir, locations.ERROR), errors_pb2.ErrorDocument(error=error))
        return
    await blobs.write_message(locations.outputs_uri(output_dir), literals)


async def _literals(folder: "_Folder", variables: Mapping[str, interface_pb2.Variable]) -> literals_pb2.LiteralMap:
    folder.check_error()
    names = sorted(variables)
    found = await for_each(lambda name: folder.literal(name, variables[name].type), names, _CONCURRENT_FILES)
    return literals_pb2.LiteralMap(literals=dict(zip(names, found, strict=True)))


@dataclass(frozen=True, slots=True)
class _Folder:
    blobs: BlobStore
    path: Path
    raw_output_dir: str

    def check_error(self) -> None:
        """Raise InvalidRequest if the container has reported an error."""
        path = self.path / ERROR_FILE
        if not os.path.lexists(path):
            return
        if not self._is_file(path):
            raise InvalidRequest(f"{ERROR_FILE} is not a file")
        with path.open("rb") as file:
            text = file.read(MAX_ERROR_BYTES + 1)
        if len(text) > MAX_ERROR_BYTES:
            raise InvalidRequest(f"{ERROR_FILE} has more than {MAX_ERROR_BYTES} bytes")
        raise InvalidRequest(f"User Error: {text.decode(errors='replace')}")

    async def literal(self, name: str, kind: types_pb2.LiteralType) -> literals_pb2.Literal:
        """Return the value of one output."""
        path = self._find(name)
        try:
            if kind.WhichOneof("type") == "blob":
                return await self._blob(name, kind.blob, path)
            return await asyncio.to_thread(self._value, kind, path)
        except InvalidRequest as e:
            raise InvalidRequest(f"output [{name}]: {e.message}") from e

    def _find(self, name: str) -> Path:
        """Return the path of a variable. Its file can have an extension if there is only one such file."""
        path = self.path / name
        if path.parent != self.path:
            raise InvalidRequest(f"output [{name}]: the name cannot be that of a file")
        if os.path.lexists(path):
            return path
        others = [Path(other) for other in glob.glob(f"{glob.escape(str(path))}.*")]
        if len(others) != 1:
            found = ", ".join(sorted(other.name for other in others)) or "nothing"
            raise InvalidRequest(f"output [{name}]: the task left no file {name} in its output folder; found {found}")
        return others[0]

    def _value(self, kind: types_pb2.LiteralType, path: Path) -> literals_pb2.Literal:
        if not self._is_file(path):
            raise InvalidRequest(f"{path.name} is not a file in the output folder")
        size = path.stat().st_size
        if size > MAX_VALUE_BYTES:
            raise InvalidRequest(f"{path.name} has {size} bytes; a value can have at most {MAX_VALUE_BYTES}")
        return conversions.literal(kind, path.read_bytes())

    async def _blob(self, name: str, kind: types_pb2.BlobType, path: Path) -> literals_pb2.Literal:
        uri = locations.join(self.raw_output_dir, name)
        if kind.dimensionality == types_pb2.BlobType.MULTIPART:
            if path.is_symlink() or not path.is_dir():
                raise InvalidRequest(f"{path.name} is not a folder, as its type requires")
            files = {file.relative_to(path).as_posix(): file for file in self._files(path)}
            await self._upload({locations.join(uri, relative): file for relative, file in files.items()})
        elif self._is_file(path):
            await self._upload({uri: path})
        else:
            raise InvalidRequest(f"{path.name} is not a file in the output folder, as its type requires")
        metadata = literals_pb2.BlobMetadata(type=kind)
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=uri, metadata=metadata)))

    def _files(self, folder: Path) -> list[Path]:
        found = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
        for path in found:
            if not self._is_file(path):
                raise InvalidRequest(f"{path.relative_to(self.path)} is not a file in the output folder")
        return sorted(found)

    async def _upload(self, files: Mapping[str, Path]) -> None:
        await for_each(lambda uri: self.blobs.upload(files[uri], uri), files, _CONCURRENT_FILES)

    def _is_file(self, path: Path) -> bool:
        """Whether the path is an ordinary file, or a link to one inside the folder."""
        try:
            real = path.resolve(strict=True)
            return real.is_relative_to(self.path.resolve()) and stat.S_ISREG(real.stat().st_mode)
        except OSError:
            return False
