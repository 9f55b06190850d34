"""The file of ``flytetemporal export``: a zip with the records of one execution. What is read may come from anybody.

Only members with known names are read, into memory, up to a limit each; nothing is unpacked to a path of the file.
"""

import contextlib
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flytetemporal.cli.errors import CommandError

FORMAT = 1
MANIFEST = "manifest.json"
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_HISTORY_BYTES = 256 * 1024 * 1024
MAX_MEMBERS = 1000
_MAX_MANIFEST_BYTES = 1024 * 1024
_HISTORY = re.compile(r"histories/\d{3}\.pb", re.ASCII)


@dataclass(frozen=True, slots=True)
class Run:
    """The history of one run: ``history`` is a serialized ``temporal.api.history.v1.History``."""

    workflow_id: str
    run_id: str
    history: bytes


@dataclass(frozen=True, slots=True)
class Export:
    """What a file contains: who it is of, by which version it was written, and the runs in their order."""

    manifest: Mapping[str, Any]
    runs: list[Run]


class Writer:
    """An export that is being written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._history_bytes = 0
        self._runs: list[dict[str, str]] = []

    def add_document(self, name: str, document: object) -> None:
        """Add a member in JSON."""
        self._archive.writestr(f"{name}.json", json.dumps(document, indent=1, ensure_ascii=False))

    @contextlib.contextmanager
    def run(self, workflow_id: str, run_id: str) -> Iterator[Callable[[bytes], None]]:
        """Add a run; yield the function that appends events to its history.

        Raises:
            CommandError: there are more runs or bytes of history than ``read`` would accept.
        """
        name = f"histories/{len(self._runs):03}.pb"
        if len(self._runs) >= MAX_MEMBERS:
            raise CommandError(f"the execution has more than {MAX_MEMBERS} runs and shards")
        self._runs.append({"file": name, "workflow_id": workflow_id, "run_id": run_id})
        with self._archive.open(name, "w", force_zip64=True) as member:

            def append(history: bytes) -> None:
                self._history_bytes += len(history)
                if self._history_bytes > MAX_HISTORY_BYTES:
                    raise CommandError(f"the history has more than {MAX_HISTORY_BYTES} bytes")
                member.write(history)  # Protobuf messages that follow each other are read as one.

            yield append

    def finish(self, manifest: Mapping[str, object]) -> None:
        """Add the manifest, which names the runs."""
        self._archive.writestr(MANIFEST, json.dumps({"format": FORMAT, **manifest, "runs": self._runs}, indent=1))


@contextlib.contextmanager
def written(path: Path) -> Iterator[Writer]:
    """Write a file that only its owner can read. It appears as a whole at the end, or not at all.

    Raises:
        CommandError: the file exists, or cannot be written.
    """
    if path.exists():
        raise CommandError(f"{path} exists: remove it, or pass another -O")
    scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                yield Writer(archive)
            # A link, unlike a rename, fails if another process has written the file in the meantime.
            os.link(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as e:
        raise CommandError(f"cannot write {path}: {e.strerror or e}") from e


def read(path: Path) -> Export:
    """Return the manifest and the histories of a file.

    Raises:
        CommandError: it is not a file of ``flytetemporal export``, is of a newer format, or is too large.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CommandError(f"{path} has more than {MAX_FILE_BYTES} bytes: it is no export")
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > MAX_MEMBERS + 100:
                raise CommandError(f"{path} has too many members: it is no export")
            manifest = _manifest(path, archive)
            return Export(manifest, _runs(path, archive, manifest["runs"]))
    except OSError as e:
        raise CommandError(f"cannot read {path}: {e.strerror or e}") from e
    # What zipfile raises of a damaged or a hostile file: encrypted members, unknown methods, bad checksums.
    except (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, EOFError) as e:
        raise CommandError(f"{path} is not a file of flytetemporal export, or it is damaged: {e}") from e


def _manifest(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    manifest: Any = json.loads(_member(path, archive, MANIFEST, _MAX_MANIFEST_BYTES))
    runs = manifest.get("runs") if isinstance(manifest, dict) else None
    if not isinstance(runs, list) or not all(_is_run(run) for run in runs) or len(runs) > MAX_MEMBERS:
        raise CommandError(f"{path} has a damaged manifest")
    if manifest.get("format") != FORMAT:
        raise CommandError(
            f"{path} has format {manifest.get('format')!r}, this version reads {FORMAT}: use the version that wrote it"
        )
    return dict(manifest)


def _is_run(run: object) -> bool:
    return isinstance(run, dict) and all(isinstance(run.get(name), str) for name in ("file", "workflow_id", "run_id"))


def _runs(path: Path, archive: zipfile.ZipFile, listed: list[dict[str, str]]) -> list[Run]:
    runs, left_bytes = [], MAX_HISTORY_BYTES
    for run in listed:
        if not _HISTORY.fullmatch(run["file"]):
            raise CommandError(f"{path} has a damaged manifest: {run['file']!r} names no history")
        history = _member(path, archive, run["file"], left_bytes)
        left_bytes -= len(history)
        runs.append(Run(run["workflow_id"], run["run_id"], history))
    return runs


def _member(path: Path, archive: zipfile.ZipFile, name: str, limit_bytes: int) -> bytes:
    try:
        info = archive.getinfo(name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CommandError(f"{path} is not as flytetemporal export writes it: {name} is compressed in another way")
        with archive.open(info) as member:
            # The size in the archive's index is only a claim.
            content = member.read(limit_bytes + 1)
    except KeyError as e:
        raise CommandError(f"{path} has no {name}: it is no export, or it is damaged") from e
    if len(content) > limit_bytes:
        raise CommandError(f"{path} is too large: up to {name} it has more than {MAX_HISTORY_BYTES} bytes of history")
    return content
