"""Folders of every kind of store are listed page by page, without gaps."""

import os
import secrets
import time
from pathlib import Path

import pytest

from flytetemporal.errors import InvalidRequest, NotFound
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.listing import StoredObject
from scripts.s3_server import S3Server

# In the order of their bytes, which is that of object stores: a dash and a dot come before a slash.
NAMES = ["A", "a-b", "a.c", "a/b", "a/b.d/e", "a/b/c", "a0", "b", "b/\u00e4", "b/\U0001f600", "z/y/x/w"]
LONG_AGO = 1_700_000_000


def kept(names: list[str]) -> list[str]:
    """Return the names that a file system can have together: none is a folder of another one."""
    return [name for name in names if not any(other.startswith(f"{name}/") for other in names)]


@pytest.fixture(params=["files", "s3", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "files":
        return BlobStore(str(tmp_path))
    if request.param == "memory":
        return BlobStore(f"memory://{secrets.token_hex(4)}")
    server: S3Server = request.getfixturevalue("s3_server")
    return BlobStore(f"{server.root}/{secrets.token_hex(4)}", server.options())


async def write(store: BlobStore, names: list[str]) -> None:
    for name in names:
        await store.write(f"{store.root}/{name}", name.encode())
        age(store, name)


def age(store: BlobStore, name: str) -> None:
    """Make a file so old that nobody can still write it."""
    path = store.local_path(f"{store.root}/{name}")
    if path is not None:
        os.utime(path, (LONG_AGO, LONG_AGO))


async def pages(store: BlobStore, limit: int) -> list[list[StoredObject]]:
    found, after = [], ""
    while True:
        page = await store.page(store.root, after, limit)
        found.append(list(page.objects))
        after = page.next_after
        if not after:
            return found


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_pages_have_every_object_once(store: BlobStore, limit: int) -> None:
    await write(store, list(reversed(kept(NAMES))))

    found = await pages(store, limit)

    names = [one.name for page in found for one in page]
    # The test's S3 server has an order of its own.
    assert (sorted(names) if store.root.startswith("s3://") else names) == kept(NAMES)
    assert all(len(page) <= limit for page in found)


async def test_an_object_that_is_written_again_has_another_version(store: BlobStore) -> None:
    await write(store, ["a", "b"])
    [before] = await pages(store, 10)

    await store.write(f"{store.root}/b", b"other")
    path = store.local_path(f"{store.root}/b")
    if path is not None:
        os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))

    [after] = await pages(store, 10)
    assert before[0] == after[0]
    assert before[1].version != after[1].version


async def test_a_folder_that_does_not_exist_has_no_objects(store: BlobStore) -> None:
    assert await pages(store, 10) == [[]]


async def test_files_that_are_being_written_hidden_or_links_are_left_out(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    await write(store, ["old", ".hidden", ".folder/file"])
    (tmp_path / "new").write_text("half of it")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    (tmp_path / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xff")).write_text("no UTF-8")

    assert [[one.name for one in page] for page in await pages(store, 10)] == [["old"]]

    age(store, "new")
    assert [[one.name for one in page] for page in await pages(store, 10)] == [["new", "old"]]


async def test_a_file_with_a_time_in_the_future_is_listed(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    await write(store, ["a"])
    os.utime(tmp_path / "a", (time.time() + 3600, time.time() + 3600))

    assert [one.name for one in (await pages(store, 10))[0]] == ["a"]


async def test_only_folders_of_the_store_are_listed(s3_server: S3Server) -> None:
    store = BlobStore(s3_server.root, s3_server.options(), confined_to=["s3://flyte/landing"])

    assert (await store.page("s3://flyte/landing", "", 10)).objects == []
    for folder in ("s3://flyte", "s3://flyte/other", "/etc", "s3://flyte/landing/../other"):
        with pytest.raises(InvalidRequest):
            await store.page(folder, "", 10)


async def test_a_bucket_that_does_not_exist_is_an_error(s3_server: S3Server) -> None:
    store = BlobStore("s3://nobody-made-it/store", s3_server.options())

    with pytest.raises(NotFound):
        await store.page(store.root, "", 10)
