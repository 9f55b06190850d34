"""The store on a real S3 server, also while that denies, hangs or is gone."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from flyteidl.core import literals_pb2

from flytetemporal.errors import InvalidRequest, NotFound, StoreAccessDenied, Unavailable
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import Signer
from scripts.s3_server import S3Server

Operation = Callable[[BlobStore, str], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "read": lambda store, uri: store.read(uri),
    "read_message": lambda store, uri: store.read_message(uri, literals_pb2.LiteralMap),
    "write": lambda store, uri: store.write(uri, b"new"),
    "write several": lambda store, uri: store.write_messages([(uri, literals_pb2.LiteralMap())]),
    "size": lambda store, uri: store.size_bytes(uri),
    "exists": lambda store, uri: store.exists(uri),
    "tree": lambda store, uri: store.tree(uri),
    "delete": lambda store, uri: store.delete(uri),
}


async def test_what_is_written_is_read_back(s3_server: S3Server) -> None:
    store = BlobStore(f"{s3_server.root}/fresh", s3_server.options())
    uri = f"{store.root}/a/b"

    await store.write(uri, b"content")

    assert await store.read(uri) == b"content"
    assert await store.size_bytes(uri) == 7
    assert await store.tree(f"{store.root}/a") == ["b"]
    with pytest.raises(NotFound, match="object not found"):
        await store.read(f"{store.root}/none")


async def test_several_messages_are_written_at_once(s3_server: S3Server) -> None:
    store = BlobStore(f"{s3_server.root}/several", s3_server.options())

    await store.write_messages([(f"{store.root}/{n}", literals_pb2.Literal(hash=str(n))) for n in range(3)])

    assert await store.tree(store.root) == ["0", "1", "2"]
    assert (await store.read_message(f"{store.root}/2", literals_pb2.Literal)).hash == "2"


@pytest.mark.parametrize("name", ["x" * 1100, "é" * 600])
async def test_a_name_that_no_object_can_have_is_no_outage(s3_server: S3Server, name: str) -> None:
    store = BlobStore(s3_server.root, s3_server.options())

    with pytest.raises(InvalidRequest, match="cannot have an object"):
        await store.write(f"{store.root}/{name}", b"content")


async def test_a_folder_is_removed_some_objects_at_a_time_but_for_those_to_keep(s3_server: S3Server) -> None:
    store = BlobStore(f"{s3_server.root}/removed", s3_server.options())
    other = BlobStore(store.root, s3_server.options())
    for name in ("a/1.pb", "a/b/2.pb", "a/b/3_offloaded.pb", "ab/4.pb"):
        await other.write(f"{store.root}/{name}", b"x")
    assert len(await store.tree(f"{store.root}/a")) == 3
    await other.write(f"{store.root}/a/5.pb", b"x")

    def keep(name: str) -> bool:
        return name.endswith("_offloaded.pb")

    found = [await store.remove_below(f"{store.root}/a", keep, 2) for _ in range(3)]

    assert [(one.removed, one.kept, one.more) for one in found] == [(2, 1, True), (1, 1, False), (0, 1, False)]
    assert await store.tree(f"{store.root}/a") == ["b/3_offloaded.pb"]
    assert await store.tree(f"{store.root}/ab") == ["4.pb"]


async def test_a_bucket_that_does_not_exist_has_no_objects(s3_server: S3Server) -> None:
    store = BlobStore("s3://nobody-made-it/store", s3_server.options())

    with pytest.raises(NotFound):
        await store.read(f"{store.root}/a")


async def test_a_denied_write_says_what_is_denied_and_where_to_look(s3_server: S3Server) -> None:
    store = BlobStore(s3_server.root, s3_server.options("READER"))

    with pytest.raises(StoreAccessDenied) as refused:
        await store.write(f"{store.root}/a", b"content")

    assert f"{store.root}/a" in refused.value.message
    assert "FLYTETEMPORAL_STORAGE__OPTIONS" in refused.value.message


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "delete"])
async def test_an_unknown_key_is_denied(s3_server: S3Server, name: str) -> None:
    store = BlobStore(s3_server.root, s3_server.options("STRANGER"))

    with pytest.raises(StoreAccessDenied):
        await OPERATIONS[name](store, f"{store.root}/a")


async def test_missing_credentials_are_denied_access(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    options = {name: value for name, value in s3_server.options().items() if name not in ("key", "secret")}
    store = BlobStore(s3_server.root, options)

    with pytest.raises(StoreAccessDenied, match="credentials"):
        await store.read(f"{store.root}/a")


async def test_every_operation_says_that_the_store_is_gone_and_works_again_once_it_is_back(s3_server: S3Server) -> None:
    store = BlobStore(s3_server.root, s3_server.options())
    uri = f"{store.root}/a"
    await store.write_message(uri, literals_pb2.LiteralMap())

    with s3_server.gone():
        for operation in OPERATIONS.values():
            with pytest.raises(Unavailable, match="does not answer"):
                await operation(store, uri)

    assert await store.read(uri) == b""


async def test_a_store_that_hangs_is_unavailable(s3_server: S3Server) -> None:
    store = BlobStore(s3_server.root, s3_server.options())
    await store.write(f"{store.root}/a", b"content")

    with s3_server.hanging(), pytest.raises(Unavailable, match="does not answer"):
        await store.read(f"{store.root}/a")

    assert await store.read(f"{store.root}/a") == b"content"


async def test_a_link_for_a_new_file_binds_its_content_and_does_not_overwrite(s3_server: S3Server) -> None:
    store = BlobStore(f"{s3_server.root}/links", s3_server.options())
    signer = Signer(store, b"", "http://localhost")
    uri, md5 = f"{store.root}/p/d/r/f", hashlib.md5(b"a").digest()
    await store.delete(uri)
    link = await signer.link("PUT", uri, timedelta(minutes=1), md5, only_new=True)
    headers = signer.headers(uri, md5, only_new=True)
    del headers["Content-Length"]

    async with httpx.AsyncClient() as client:
        bare = await client.put(link, content=b"a")
        changed = await client.put(link, content=b"b", headers=headers)
        first = await client.put(link, content=b"a", headers=headers)
        second = await client.put(link, content=b"a", headers=headers)

    assert bare.status_code == 403
    assert changed.status_code == 400
    assert first.status_code == 200
    assert second.status_code == 412
    assert await store.read(uri) == b"a"


async def test_a_link_for_content_that_names_its_folder_can_be_used_again(s3_server: S3Server) -> None:
    store = BlobStore(f"{s3_server.root}/links", s3_server.options())
    signer = Signer(store, b"", "http://localhost")
    uri, md5 = f"{store.root}/p/d/hash/f", hashlib.md5(b"a").digest()
    link = await signer.link("PUT", uri, timedelta(minutes=1), md5)
    headers = {"Content-MD5": signer.headers(uri, md5)["Content-MD5"]}

    async with httpx.AsyncClient() as client:
        codes = [(await client.put(link, content=b"a", headers=headers)).status_code for _ in range(3)]

    assert codes == [200, 200, 200]
