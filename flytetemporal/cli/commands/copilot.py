"""``flytetemporal copilot``: writes a raw container's inputs to files and reads its outputs from files.

For containers that run on another machine than their worker. A worker that runs a container itself calls the same
functions.
"""

import asyncio
import base64
import binascii
import signal
from pathlib import Path

import click
from flyteidl.core import interface_pb2, literals_pb2, tasks_pb2
from google.protobuf.message import DecodeError

from flytetemporal.activities.offloading import Limits, Offloading
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring import configuration
from flytetemporal.config.settings import Settings
from flytetemporal.errors import FlyteError
from flytetemporal.plugins.copilot import downloads, uploads
from flytetemporal.storage.blobs import BlobStore

_FOLDER = click.Path(file_okay=False, path_type=Path)
_Format = tasks_pb2.DataLoadingConfig
_FORMATS = {"JSON": _Format.JSON, "YAML": _Format.YAML, "PROTO": _Format.PROTO}


@click.group()
def copilot() -> None:
    """Stage inputs and outputs of a raw container.

    FLYTETEMPORAL_STORAGE__<FIELD> variables configure the object store.
    """


@copilot.command()
@click.option("--from-remote", "uri", required=True, help="URI of inputs.pb.")
@click.option("--to-local-dir", "folder", required=True, type=_FOLDER, help="Folder for the files.")
@click.option("--seen-at", default="", help="Path of that folder inside the container; default: the same.")
@click.option(
    "--format", "form", type=click.Choice(list(_FORMATS)), default="JSON", help="Format of the file with all inputs."
)
def download(uri: str, folder: Path, seen_at: str, form: str) -> None:
    """Write each input to a file."""
    asyncio.run(_download(uri, folder, seen_at or str(folder), form))


@copilot.command()
@click.option("--from-local-dir", "folder", required=True, type=_FOLDER, help="Folder with the task's files.")
@click.option(
    "--to-output-prefix", "output_dir", required=True, help="URI below which outputs.pb or error.pb is written."
)
@click.option("--to-raw-output", "raw_output_dir", required=True, help="URI below which blobs are written.")
@click.option("--interface", required=True, help="The task's flyteidl.core.TypedInterface in base64.")
@click.option(
    "--after-sigterm", is_flag=True, help="Wait for SIGTERM first, which a side container gets after the task's end."
)
def upload(folder: Path, output_dir: str, raw_output_dir: str, interface: str, after_sigterm: bool) -> None:
    """Write outputs.pb from the files.

    A missing or malformed file is the task's error: it is written to error.pb, and the command succeeds.
    """
    asyncio.run(_upload(folder, output_dir, raw_output_dir, _interface(interface), after_sigterm=after_sigterm))


async def _download(uri: str, folder: Path, seen_at: str, form: str) -> None:
    settings = configuration.load()
    blobs = _blobs(settings)
    try:
        stored = await blobs.read_message(uri, literals_pb2.LiteralMap)
        inputs = await Offloading(blobs, Limits.of(settings.worker)).inlined(stored)
        await downloads.download(blobs, inputs, folder, seen_at, _FORMATS[form])
    except FlyteError as e:
        raise CommandError(f"{downloads.FAILED}: {e.message}") from e


async def _upload(
    folder: Path, output_dir: str, raw_output_dir: str, interface: interface_pb2.TypedInterface, *, after_sigterm: bool
) -> None:
    if after_sigterm:
        # A signal that comes before this line ends the program, as it ends a pod that has not started.
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()
    try:
        await uploads.upload(_blobs(configuration.load()), folder, interface.outputs, output_dir, raw_output_dir)
    except FlyteError as e:
        raise CommandError(f"{uploads.FAILED}: {e.message}") from e


def _interface(encoded: str) -> interface_pb2.TypedInterface:
    try:
        return interface_pb2.TypedInterface.FromString(base64.b64decode(encoded, validate=True))
    except (binascii.Error, DecodeError) as e:
        raise click.BadParameter("not a flyteidl.core.TypedInterface in base64", param_hint="--interface") from e


def _blobs(settings: Settings) -> BlobStore:
    storage = settings.storage
    return BlobStore(storage.root, storage.options)
