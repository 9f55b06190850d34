"""Whole input and output folders, on a local store."""

import json
import os
import stat
from pathlib import Path

import pytest
from flyteidl.core import errors_pb2, interface_pb2, literals_pb2, types_pb2

from flytetemporal.errors import InvalidRequest, NotFound
from flytetemporal.plugins.copilot import downloads, uploads
from flytetemporal.plugins.copilot.conversions import Format
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.task_attempts import integer, text

SINGLE, MULTIPART = types_pb2.BlobType.SINGLE, types_pb2.BlobType.MULTIPART
BlobKind = types_pb2.BlobType.BlobDimensionality


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(f"file://{tmp_path}/store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


def blob(uri: str, kind: BlobKind = SINGLE) -> literals_pb2.Literal:
    metadata = literals_pb2.BlobMetadata(type=types_pb2.BlobType(dimensionality=kind))
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=uri, metadata=metadata)))


def listed(*items: literals_pb2.Literal) -> literals_pb2.Literal:
    return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))


def mapped(**items: literals_pb2.Literal) -> literals_pb2.Literal:
    return literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=items))


async def test_every_input_has_a_file_or_a_folder(blobs: BlobStore, folder: Path) -> None:
    await blobs.write(f"{blobs.root}/file", b"content")
    await blobs.write(f"{blobs.root}/folder/a.txt", b"a")
    await blobs.write(f"{blobs.root}/folder/deep/b.txt", b"b")
    union = literals_pb2.Literal(scalar=literals_pb2.Scalar(union=literals_pb2.Union(value=integer(7))))
    inputs = literals_pb2.LiteralMap(
        literals={
            "n": integer(3),
            "file": blob(f"{blobs.root}/file"),
            "parts": blob(f"{blobs.root}/folder", MULTIPART),
            "items": listed(text("x"), blob(f"{blobs.root}/file")),
            "table": mapped(k=integer(1)),
            "maybe": union,
        }
    )

    await downloads.download(blobs, inputs, folder, "/var/inputs", Format.JSON)

    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    document, local = files.pop("inputs.json"), files.pop("inputs.pb")
    assert files == {
        "n": b"3",
        "file": b"content",
        "parts/a.txt": b"a",
        "parts/deep/b.txt": b"b",
        "items/0": b"x",
        "items/1": b"content",
        "table/k": b"1",
        "maybe": b"7",
    }
    assert json.loads(document) == {
        "n": 3,
        "file": "/var/inputs/file",
        "parts": "/var/inputs/parts",
        "items": ["x", "/var/inputs/items/1"],
        "table": {"k": 1},
        "maybe": 7,
    }
    assert literals_pb2.LiteralMap.FromString(local).literals["file"].scalar.blob.uri == "/var/inputs/file"


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ({"gone": blob("/nowhere/at/all")}, NotFound, "input [gone]"),
        ({"gone": blob("/nowhere/at/all", MULTIPART)}, NotFound, "input [gone]"),
        ({"table": mapped(**{"../out": integer(1)})}, InvalidRequest, "input [table]: input [../out]"),
        ({"../out": integer(1)}, InvalidRequest, "cannot be the name of a file"),
        ({"empty": literals_pb2.Literal()}, InvalidRequest, "input [empty]"),
    ],
)
async def test_an_input_that_cannot_be_staged_is_named(
    blobs: BlobStore, folder: Path, inputs: dict[str, literals_pb2.Literal], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        await downloads.download(blobs, literals_pb2.LiteralMap(literals=inputs), folder, "/in", Format.PROTO)

    assert words in str(caught.value)
    assert not (folder.parent / "out").exists()


def declared(**kinds: types_pb2.LiteralType) -> interface_pb2.VariableMap:
    return interface_pb2.VariableMap(
        variables={name: interface_pb2.Variable(type=kind) for name, kind in kinds.items()}
    )


def simple(kind: types_pb2.SimpleType) -> types_pb2.LiteralType:
    return types_pb2.LiteralType(simple=kind)


def blob_type(kind: BlobKind) -> types_pb2.LiteralType:
    return types_pb2.LiteralType(blob=types_pb2.BlobType(dimensionality=kind, format="csv"))


async def uploaded(
    blobs: BlobStore, folder: Path, outputs: interface_pb2.VariableMap
) -> literals_pb2.LiteralMap | errors_pb2.ContainerError:
    directory = f"{blobs.root}/meta"
    await uploads.upload(blobs, folder, outputs, directory, f"{blobs.root}/raw")
    if await blobs.exists(f"{directory}/error.pb"):
        assert not await blobs.exists(f"{directory}/outputs.pb")
        return (await blobs.read_message(f"{directory}/error.pb", errors_pb2.ErrorDocument)).error
    return await blobs.read_message(f"{directory}/outputs.pb", literals_pb2.LiteralMap)


async def test_every_output_is_read_from_the_file_of_its_name(blobs: BlobStore, folder: Path) -> None:
    (folder / "n.txt").write_text("5\n")
    (folder / "real").write_text("linked")
    (folder / "file").symlink_to("real")
    (folder / "parts" / "deep").mkdir(parents=True)
    (folder / "parts" / "deep" / "a").write_text("a")

    found = await uploaded(
        blobs,
        folder,
        declared(n=simple(types_pb2.INTEGER), file=blob_type(SINGLE), parts=blob_type(MULTIPART)),
    )

    assert isinstance(found, literals_pb2.LiteralMap)
    assert found.literals["n"] == integer(5)
    assert found.literals["file"].scalar.blob.uri == f"{blobs.root}/raw/file"
    assert found.literals["file"].scalar.blob.metadata.type.format == "csv"
    assert await blobs.read(f"{blobs.root}/raw/file") == b"linked"
    assert await blobs.read(f"{blobs.root}/raw/parts/deep/a") == b"a"


def leaves_nothing(_: Path) -> None:
    """No file of any name."""


def leaves_two(folder: Path) -> None:
    (folder / "o.a").touch()
    (folder / "o.b").touch()


def leaves_another_type(folder: Path) -> None:
    (folder / "o").write_text("five")


def leaves_too_much(folder: Path) -> None:
    (folder / "o").write_bytes(b"1" * (uploads.MAX_VALUE_BYTES + 1))


def leaves_a_folder(folder: Path) -> None:
    (folder / "o").mkdir()


def leaves_a_link_outside(folder: Path) -> None:
    (folder / "o").symlink_to("/etc/hostname")


def leaves_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "o")


def leaves_an_error(folder: Path) -> None:
    (folder / "o").write_text("5")
    (folder / "_ERROR").write_text("the model did not converge")


@pytest.mark.parametrize(
    ("leave", "words"),
    [
        (leaves_nothing, "output [o]: the task left no file o in its output folder; found nothing"),
        (leaves_two, "found o.a, o.b"),
        (leaves_another_type, "output [o]: [five] is not an integer"),
        (leaves_too_much, "at most"),
        (leaves_a_folder, "o is not a file in the output folder"),
        (leaves_a_link_outside, "o is not a file in the output folder"),
        (leaves_a_pipe, "o is not a file in the output folder"),
        (leaves_an_error, "User Error: the model did not converge"),
    ],
)
async def test_unusable_outputs_become_a_recoverable_error(
    blobs: BlobStore, folder: Path, leave: object, words: str
) -> None:
    assert callable(leave)
    leave(folder)

    found = await uploaded(blobs, folder, declared(o=simple(types_pb2.INTEGER)))

    assert isinstance(found, errors_pb2.ContainerError)
    assert (found.code, found.kind) == ("OutputUploadFailed", errors_pb2.ContainerError.RECOVERABLE)
    assert words in found.message


async def test_no_file_below_a_folder_may_lead_out_of_it(blobs: BlobStore, folder: Path) -> None:
    (folder / "o").mkdir()
    (folder / "o" / "inside").symlink_to("/etc/hostname")

    found = await uploaded(blobs, folder, declared(o=blob_type(MULTIPART)))

    assert isinstance(found, errors_pb2.ContainerError)
    assert "o/inside" in found.message
    assert not await blobs.exists(f"{blobs.root}/raw/o/inside")


def test_types_that_no_file_can_hold_are_named() -> None:
    outputs = declared(
        a=simple(types_pb2.INTEGER),
        b=types_pb2.LiteralType(collection_type=simple(types_pb2.INTEGER)),
        c=types_pb2.LiteralType(map_value_type=simple(types_pb2.INTEGER)),
        d=blob_type(SINGLE),
    )

    assert uploads.unsupported(outputs) == ["b (collection_type)", "c (map_value_type)"]


async def test_every_user_of_the_container_can_read_staged_files(blobs: BlobStore, folder: Path) -> None:
    await downloads.download(blobs, literals_pb2.LiteralMap(literals={"n": integer(1)}), folder, "/in", Format.PROTO)

    assert stat.S_IMODE((folder / "n").stat().st_mode) & 0o444 == 0o444
