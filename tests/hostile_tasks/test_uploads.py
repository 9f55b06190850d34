"""Uploads that try to take the place of files: those of other uploads, and those of the engine."""

import hashlib
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from flyteidl.service import dataproxy_pb2
from starlette.applications import Starlette

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.dataproxy import files
from flytetemporal.admin.dataproxy.links import DataProxy
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.errors import AlreadyExists, InvalidRequest
from flytetemporal.idl import identifiers, locations
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import Signer

EXECUTION = identifiers.execution_identifier(("p", "d", "e"))


class Uploads:
    """A data proxy over a folder, with the route that takes the files."""

    def __init__(self, root: str, raw_output_prefix: str = "") -> None:
        self.blobs = BlobStore(root, confined_to=())
        signer = Signer(self.blobs, b"key", "http://localhost")
        deps = Dependencies(
            sessions=cast(Any, None),
            blobs=self.blobs,
            engine=cast(Any, None),
            schedules=cast(Any, None),
            settings=AdminSettings(),
            storage=StorageSettings(root=root, raw_output_prefix=raw_output_prefix),
        )
        self._proxy = DataProxy(deps, signer)
        self._app = Starlette(routes=files.routes(self.blobs, signer))

    async def location(self, content: bytes | None = b"a", **fields: Any) -> dataproxy_pb2.CreateUploadLocationResponse:
        md5 = b"" if content is None else hashlib.md5(content).digest()
        named: dict[str, Any] = {"project": "p", "domain": "d", **fields}
        return await self.create(dataproxy_pb2.CreateUploadLocationRequest(content_md5=md5, **named))

    async def create(
        self, request: dataproxy_pb2.CreateUploadLocationRequest
    ) -> dataproxy_pb2.CreateUploadLocationResponse:
        return await self._proxy.create_upload_location(request)

    async def put(self, location: dataproxy_pb2.CreateUploadLocationResponse, content: bytes) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app)) as client:
            return (await client.put(location.signed_url, content=content)).status_code


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(str(tmp_path / "store"))


async def test_an_upload_can_be_repeated(uploads: Uploads) -> None:
    location = await uploads.location(filename="code.tar.gz")

    assert [await uploads.put(location, b"a") for _ in range(3)] == [200, 200, 200]
    assert (await uploads.location(filename="code.tar.gz")).native_url == location.native_url
    assert await uploads.put(await uploads.location(filename="code.tar.gz"), b"a") == 200


async def test_an_upload_without_a_hash_can_be_repeated_and_not_changed(uploads: Uploads) -> None:
    location = await uploads.location(None, filename_root="frames")

    assert [await uploads.put(location, content) for content in (b"a", b"a", b"b")] == [200, 200, 409]
    assert await uploads.blobs.read(location.native_url) == b"a"


async def test_of_two_links_to_one_file_the_first_upload_wins(uploads: Uploads) -> None:
    first, second = [await uploads.location(content, filename="f", filename_root="r") for content in (b"a", b"b")]

    assert await uploads.put(first, b"a") == 200
    assert await uploads.put(second, b"b") == 409
    assert await uploads.put(second, b"a") == 400
    assert await uploads.blobs.read(first.native_url) == b"a"
    with pytest.raises(AlreadyExists):
        await uploads.location(b"b", filename="f", filename_root="r")


@pytest.mark.parametrize(
    "fields",
    [
        {"project": "metadata", "domain": "propeller", "filename_root": "p-d-e/n0/data/0", "filename": "outputs.pb"},
        {"project": "Metadata", "domain": "admin", "filename_root": "x", "filename": "y"},
        {"org": "metadata", "filename": "x"},
        {"project": "metadata/admin", "filename": "x"},
        {"project": "logs", "domain": "p-d-e", "filename_root": "n0", "filename": "0.log"},
        {"project": "data", "domain": "4x", "filename_root": "e-n0-0", "filename": "00000"},
        {"project": ".", "domain": "metadata", "filename": "x"},
        {"project": "p/..", "domain": "metadata", "filename": "x"},
        {"filename_root": "../../metadata", "filename": "x"},
        {"filename_root": "a//b", "filename": "x"},
        {"filename_root": "a", "filename": "x\n"},
    ],
)
async def test_no_upload_goes_where_the_engine_writes(uploads: Uploads, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="invalid"):
        await uploads.location(**fields)


@pytest.mark.parametrize("fields", [{"project": "data", "domain": "development"}, {"project": "metadata2"}])
async def test_projects_may_be_called_like_folders_that_hold_no_uploads(
    uploads: Uploads, fields: dict[str, Any]
) -> None:
    assert await uploads.put(await uploads.location(filename="a b.txt", **fields), b"a") == 200


async def test_raw_data_of_a_prefix_of_its_own_is_no_place_for_uploads(tmp_path: Path) -> None:
    raw = f"file://{tmp_path}/store/raw"
    attempt = locations.raw_output_dir(raw, "e-n0-0").removeprefix(raw + "/").split("/")

    with pytest.raises(InvalidRequest):
        await Uploads(str(tmp_path / "store"), raw).location(project="raw", domain=attempt[0], filename_root=attempt[1])


async def test_every_folder_of_the_engine_is_known(uploads: Uploads) -> None:
    root = uploads.blobs.root
    for uri in (locations.metadata_dir(root, EXECUTION), locations.log_uri(root, EXECUTION, "n0", 0)):
        assert locations.is_engines(uri, root, f"{root}/data")


@pytest.mark.parametrize(
    "fields", [{"filename": "x" * 300}, {"filename_root": "é" * 128}, {"filename": "a/" * 3000 + "a"}]
)
async def test_an_upload_to_a_name_that_no_file_can_have_is_refused(uploads: Uploads, fields: dict[str, Any]) -> None:
    await uploads.blobs.write(f"{uploads.blobs.root}/p/d/r/other", b"")

    with pytest.raises(InvalidRequest, match=r"File name too long|more than 4095 bytes"):
        await uploads.location(**{"filename": "f", "filename_root": "r", **fields})


async def test_an_upload_to_a_folder_or_below_a_file_is_refused(uploads: Uploads) -> None:
    named: dict[str, Any] = {"filename_root": "r"}
    below = await uploads.location(filename="file/below", **named)
    folder = await uploads.location(filename="folder", **named)
    for filename in ("file", "folder/file"):
        assert await uploads.put(await uploads.location(filename=filename, **named), b"a") == 200

    assert [await uploads.put(location, b"a") for location in (below, folder)] == [400, 400]


async def test_a_hash_that_is_no_md5_is_refused(uploads: Uploads) -> None:
    request = dataproxy_pb2.CreateUploadLocationRequest(project="p", domain="d", filename="f", content_md5=b"12")

    with pytest.raises(InvalidRequest, match="it has 2 bytes, an MD5 16"):
        await uploads.create(request)
