import errno
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from flyteidl.core import literals_pb2

from flytetemporal.errors import AlreadyExists, Internal, InvalidRequest, NotFound, ValueTooLarge
from flytetemporal.storage.blobs import BlobStore


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(f"file://{tmp_path}/store")


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_what_is_written_is_read(blobs: BlobStore) -> None:
    await blobs.write(f"{blobs.root}/a/b", b"data")

    assert await blobs.read(f"{blobs.root}/a/b") == b"data"
    assert await blobs.exists(f"{blobs.root}/a/b")
    assert await blobs.size_bytes(f"{blobs.root}/a/b") == 4


async def test_several_messages_are_written_in_one_go(blobs: BlobStore) -> None:
    files = {f"{blobs.root}/{name}": literals_pb2.Literal(hash=name) for name in ("a/b", "a/c")}

    await blobs.write_messages(list(files.items()))
    await blobs.write_messages([])

    for uri, message in files.items():
        assert await blobs.read_message(uri, literals_pb2.Literal) == message


async def test_a_missing_object_is_not_found(blobs: BlobStore) -> None:
    with pytest.raises(NotFound):
        await blobs.read(f"{blobs.root}/nothing")
    assert not await blobs.exists(f"{blobs.root}/nothing")


async def test_an_object_of_another_kind_is_our_own_fault(blobs: BlobStore) -> None:
    await blobs.write(f"{blobs.root}/x", b"\xff\xff\xff")

    with pytest.raises(Internal):
        await blobs.read_message(f"{blobs.root}/x", literals_pb2.LiteralMap)


async def test_a_stream_with_another_md5_leaves_nothing(blobs: BlobStore) -> None:
    with pytest.raises(InvalidRequest):
        await blobs.create_from_stream(f"{blobs.root}/x", chunks(b"da", b"ta"), hashlib.md5(b"other").digest())

    assert not await blobs.exists(f"{blobs.root}/x")


async def test_a_stream_with_its_md5_appears_whole(blobs: BlobStore) -> None:
    await blobs.create_from_stream(f"{blobs.root}/x", chunks(b"da", b"ta"), hashlib.md5(b"data").digest())

    assert await blobs.read(f"{blobs.root}/x") == b"data"
    assert [path.name for path in Path(blobs.root.removeprefix("file://")).iterdir()] == ["x"]


async def test_the_same_content_can_be_created_again_and_other_content_cannot(blobs: BlobStore) -> None:
    for _ in range(3):
        await blobs.create_from_stream(f"{blobs.root}/x", chunks(b"data"))

    with pytest.raises(AlreadyExists, match="other content"):
        await blobs.create_from_stream(f"{blobs.root}/x", chunks(b"other"))

    assert await blobs.read(f"{blobs.root}/x") == b"data"
    assert [path.name for path in Path(blobs.root.removeprefix("file://")).iterdir()] == ["x"]


async def test_objects_are_created_where_the_file_system_has_no_hard_links(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    await blobs.create_from_stream(f"{blobs.root}/x", chunks(b"data"))

    with pytest.raises(AlreadyExists):
        await blobs.create_from_stream(f"{blobs.root}/x", chunks(b"other"))
    assert await blobs.read(f"{blobs.root}/x") == b"data"


async def test_another_scheme_is_refused_by_name(blobs: BlobStore) -> None:
    with pytest.raises(InvalidRequest, match="ftp://x/y"):
        await blobs.read("ftp://x/y")


@pytest.mark.parametrize(("path", "owned"), [("/a/b", True), ("/../secret", False), ("x/a", False)])
def test_only_what_lies_under_the_root_is_owned(blobs: BlobStore, path: str, owned: bool) -> None:
    assert blobs.owns(blobs.root + path) is owned


@pytest.mark.parametrize("store", ["file", "memory"])
async def test_files_and_folders_are_copied_in_and_out(store: str, tmp_path: Path) -> None:
    root = f"memory://{tmp_path.name}" if store == "memory" else f"{tmp_path}/store"
    blobs = BlobStore(root)
    (tmp_path / "there").write_bytes(b"data")

    for name in ("folder/b", "folder/deep/a", "other"):
        await blobs.upload(tmp_path / "there", f"{root}/{name}")
    await blobs.download(f"{root}/folder/deep/a", tmp_path / "back")

    assert (tmp_path / "back").read_bytes() == b"data"
    assert await blobs.tree(f"{root}/folder") == ["b", "deep/a"]
    assert await blobs.tree(f"{root}/nothing") == []
    with pytest.raises(NotFound):
        await blobs.download(f"{root}/nothing", tmp_path / "back")
    with pytest.raises(NotFound):
        await blobs.upload(tmp_path / "nothing", f"{root}/x")


@pytest.mark.parametrize(
    ("uri", "is_readable"),
    [
        ("{root}/a", True),
        ("file://{root}/a", True),
        ("{other}/a", True),
        ("{other}-evil/a", False),
        ("/etc/passwd", False),
        ("{root}/../secret", False),
        ("{root}/a\0b", False),
        ("s3://bucket/a", False),
        ("memory://a", False),
        ("http://169.254.169.254/latest", False),
    ],
)
async def test_a_confined_store_refuses_addresses_outside_of_it(tmp_path: Path, uri: str, is_readable: bool) -> None:
    root, other = tmp_path / "store", tmp_path / "raw"
    for folder in (root, other):
        folder.mkdir()
        (folder / "a").write_bytes(b"content")
    store = BlobStore(str(root), confined_to=["", f"{other}/"])
    address = uri.format(root=root, other=other)

    if is_readable:
        assert await store.read(address) == b"content"
        return
    for operation in (store.read, store.size_bytes, store.exists, store.open, store.tree):
        with pytest.raises(InvalidRequest):
            await operation(address)


async def test_links_and_special_files_are_absent_and_are_not_read(blobs: BlobStore, tmp_path: Path) -> None:
    folder = Path(blobs.root.removeprefix("file://")) / "a"
    folder.mkdir(parents=True)
    (folder / "outputs.pb").symlink_to("/dev/zero")
    os.mkfifo(folder / "error.pb")
    (folder / "real").write_bytes(b"")

    for name in ("outputs.pb", "error.pb"):
        uri = f"{blobs.root}/a/{name}"
        assert not await blobs.exists(uri)
        for operation in (blobs.read, blobs.size_bytes, blobs.open, blobs.md5):
            with pytest.raises(InvalidRequest):
                await operation(uri)
        with pytest.raises(InvalidRequest):
            await blobs.download(uri, tmp_path / "copy")
    assert await blobs.tree(f"{blobs.root}/a") == ["real"]


async def test_an_object_over_the_limit_is_not_read(blobs: BlobStore) -> None:
    await blobs.write(f"{blobs.root}/x", b"12345")

    assert await blobs.read(f"{blobs.root}/x", limit_bytes=5) == b"12345"
    with pytest.raises(ValueTooLarge, match="more than 4 bytes"):
        await blobs.read(f"{blobs.root}/x", limit_bytes=4)


LONG = ["x" * 256, "a/" * 3000 + "b"]
TOUCHES: dict[str, Callable[[BlobStore, str], Awaitable[object]]] = {
    "read": lambda blobs, uri: blobs.read(uri),
    "open": lambda blobs, uri: blobs.open(uri),
    "exists": lambda blobs, uri: blobs.exists(uri),
    "size": lambda blobs, uri: blobs.size_bytes(uri),
    "write": lambda blobs, uri: blobs.write(uri, b""),
    "create": lambda blobs, uri: blobs.create_from_stream(uri, chunks(b"")),
    "delete": lambda blobs, uri: blobs.delete(uri),
}


@pytest.mark.parametrize("name", LONG, ids=["name", "path"])
@pytest.mark.parametrize("how", TOUCHES)
async def test_a_name_that_no_file_can_have_is_no_outage(blobs: BlobStore, how: str, name: str) -> None:
    await blobs.write(f"{blobs.root}/file", b"")

    with pytest.raises(InvalidRequest, match=r"File name too long|more than 4095 bytes"):
        await TOUCHES[how](blobs, f"{blobs.root}/{name}")


async def test_no_object_is_written_below_an_object_or_over_a_folder(blobs: BlobStore) -> None:
    await blobs.write(f"{blobs.root}/a/file", b"")

    for uri in (f"{blobs.root}/a/file/below", f"{blobs.root}/a"):
        with pytest.raises(InvalidRequest, match="cannot be written"):
            await blobs.write(uri, b"")
        with pytest.raises(InvalidRequest, match="cannot be written"):
            await blobs.create_from_stream(uri, chunks(b""))
