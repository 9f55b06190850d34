"""``flytetemporal copilot``: bring the data of a raw container into files before it runs, and out of them afterwards.

For places where task and worker do not share a machine; a worker that runs a container itself calls the same functions.
"""

import asyncio
import base64
import binascii
from pathlib import Path

import click
from flyteidl.core import interface_pb2, literals_pb2, tasks_pb2
from google.protobuf.message import DecodeError

from flytetemporal.activities.offloading import Limits, Offloading
from flytetemporal.cli.problems import CommandFailed
from flytetemporal.config.settings import Settings
from flytetemporal.errors import FlyteError
from flytetemporal.plugins.copilot import downloads, uploads
from flytetemporal.storage.blobs import BlobStore

_FOLDER = click.Path(file_okay=False, path_type=Path)
_Format = tasks_pb2.DataLoadingConfig
_FORMATS = {"JSON": _Format.JSON, "YAML": _Format.YAML, "PROTO": _Format.PROTO}


@click.group()
def copilot() -> None:
    """Stage inputs and outputs of a raw container. FLYTETEMPORAL_STORAGE__<FIELD> variables say where the store is."""


@copilot.command()
@click.option("--from-remote", "uri", required=True, help="Address of inputs.pb.")
@click.option("--to-local-dir", "folder", required=True, type=_FOLDER, help="Where the files go.")
@click.option("--seen-at", default="", help="What the container calls this folder; the same name unless given.")
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="JSON", help="Of the document with all.")
def download(uri: str, folder: Path, seen_at: str, form: str) -> None:
    """Write the inputs into files."""
    asyncio.run(_download(uri, folder, seen_at or str(folder), form))


@copilot.command()
@click.option("--from-local-dir", "folder", required=True, type=_FOLDER, help="Where the task left its files.")
@click.option("--to-output-prefix", "output_dir", required=True, help="Where outputs.pb or error.pb goes.")
@click.option("--to-raw-output", "raw_output_dir", required=True, help="Where files and folders go.")
@click.option("--interface", required=True, help="flyteidl.core.TypedInterface of the task in base64.")
def upload(folder: Path, output_dir: str, raw_output_dir: str, interface: str) -> None:
    """Make outputs of the files; what is wrong with them is written, and is no failure of this command."""
    asyncio.run(_upload(folder, output_dir, raw_output_dir, _interface(interface)))


async def _download(uri: str, folder: Path, seen_at: str, form: str) -> None:
    settings = Settings()
    blobs = _blobs(settings)
    try:
        given = await blobs.read_message(uri, literals_pb2.LiteralMap)
        inputs = await Offloading(blobs, Limits.of(settings.worker)).inlined(given)
        await downloads.download(blobs, inputs, folder, seen_at, _FORMATS[form])
    except FlyteError as e:
        raise CommandFailed(f"{downloads.FAILED}: {e.message}") from e


async def _upload(folder: Path, output_dir: str, raw_output_dir: str, interface: interface_pb2.TypedInterface) -> None:
    try:
        await uploads.upload(_blobs(Settings()), folder, interface.outputs, output_dir, raw_output_dir)
    except FlyteError as e:
        raise CommandFailed(f"{uploads.FAILED}: {e.message}") from e


def _interface(encoded: str) -> interface_pb2.TypedInterface:
    try:
        return interface_pb2.TypedInterface.FromString(base64.b64decode(encoded, validate=True))
    except (binascii.Error, DecodeError) as e:
        raise click.BadParameter("it is no flyteidl.core.TypedInterface in base64", param_hint="--interface") from e


def _blobs(settings: Settings) -> BlobStore:
    storage = settings.storage
    return BlobStore(storage.root, storage.options)
