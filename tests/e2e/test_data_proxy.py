"""Uploads, downloads, decks and ``flyte://`` URIs on the whole stack."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from flyteidl.service import dataproxy_pb2, dataproxy_pb2_grpc
from flytekit.configuration import Config
from flytekit.remote.remote import FlyteRemote

from tests.e2e.client import DOMAIN, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack

CONTENT = b"some content"
MD5 = hashlib.md5(CONTENT).digest()


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with connected(stack) as client:
        yield client


@pytest.fixture
def proxy(stack: RunningStack) -> Iterator[dataproxy_pb2_grpc.DataProxyServiceStub]:
    with grpc.insecure_channel(stack.grpc_endpoint) as channel:
        yield dataproxy_pb2_grpc.DataProxyServiceStub(channel)


def upload(root: str, content: bytes = CONTENT) -> dataproxy_pb2.CreateUploadLocationRequest:
    return dataproxy_pb2.CreateUploadLocationRequest(
        project=PROJECT,
        domain=DOMAIN,
        filename="a file.txt",
        filename_root=root,
        content_md5=hashlib.md5(content).digest(),
    )


def test_an_uploaded_file_can_be_downloaded(proxy: dataproxy_pb2_grpc.DataProxyServiceStub) -> None:
    location = proxy.CreateUploadLocation(upload("round-trip"))

    put = httpx.put(location.signed_url, content=CONTENT, headers=dict(location.headers))
    link = proxy.CreateDownloadLocation(dataproxy_pb2.CreateDownloadLocationRequest(native_url=location.native_url))
    got = httpx.get(link.signed_url)

    assert put.status_code == 200
    assert dict(location.headers) == {"Content-MD5": base64.b64encode(MD5).decode()}
    assert got.content == CONTENT


def test_content_with_another_hash_than_announced_is_refused(proxy: dataproxy_pb2_grpc.DataProxyServiceStub) -> None:
    location = proxy.CreateUploadLocation(upload("other-content"))

    put = httpx.put(location.signed_url, content=b"something else")

    assert put.status_code == 400


def test_a_changed_link_is_refused(proxy: dataproxy_pb2_grpc.DataProxyServiceStub) -> None:
    location = proxy.CreateUploadLocation(upload("changed"))

    assert httpx.put(location.signed_url.replace("changed", "another"), content=CONTENT).status_code == 403


def test_a_file_of_the_same_name_and_other_content_is_not_overwritten(
    proxy: dataproxy_pb2_grpc.DataProxyServiceStub,
) -> None:
    location = proxy.CreateUploadLocation(upload("taken"))
    assert httpx.put(location.signed_url, content=CONTENT).status_code == 200

    proxy.CreateUploadLocation(upload("taken"))
    with pytest.raises(grpc.RpcError, match="ALREADY_EXISTS"):
        proxy.CreateUploadLocation(upload("taken", b"new content"))


def test_a_part_of_a_file_can_be_downloaded(proxy: dataproxy_pb2_grpc.DataProxyServiceStub) -> None:
    location = proxy.CreateUploadLocation(upload("ranges"))
    httpx.put(location.signed_url, content=CONTENT)
    link = proxy.CreateDownloadLocation(dataproxy_pb2.CreateDownloadLocationRequest(native_url=location.native_url))

    got = httpx.get(link.signed_url, headers={"Range": "bytes=5-11"})

    assert (got.status_code, got.content) == (206, CONTENT[5:12])


def test_a_deck_is_linked_and_values_have_uris(client: Client, proxy: dataproxy_pb2_grpc.DataProxyServiceStub) -> None:
    execution = client.run("decks", "with_deck")
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    node = client.nodes(execution.id)["n0"]

    link = proxy.CreateDownloadLink(
        dataproxy_pb2.CreateDownloadLinkRequest(
            artifact_type=dataproxy_pb2.ARTIFACT_TYPE_DECK, node_execution_id=node.id
        )
    )
    base = f"flyte://v1/{PROJECT}/{DOMAIN}/{execution.id.name}/n0"
    outputs = proxy.GetData(dataproxy_pb2.GetDataRequest(flyte_url=f"{base}/o"))
    one = proxy.GetData(dataproxy_pb2.GetDataRequest(flyte_url=f"{base}/0/i/n"))
    deck = proxy.GetData(dataproxy_pb2.GetDataRequest(flyte_url=f"{base}/d"))

    assert "<b>number 7</b>" in httpx.get(link.pre_signed_urls.signed_url[0]).text
    assert outputs.literal_map.literals["o0"].scalar.primitive.integer == 7
    assert one.literal.scalar.primitive.integer == 7
    assert deck.pre_signed_urls.signed_url


def test_flytekit_uploads_a_file(stack: RunningStack, tmp_path: Path) -> None:
    remote = FlyteRemote(Config.auto(str(stack.client_config)), default_project=PROJECT, default_domain=DOMAIN)
    file = tmp_path / "data.txt"
    file.write_bytes(CONTENT)

    md5, uri = remote.upload_file(file)

    assert md5 == MD5
    assert Path(uri).read_bytes() == CONTENT
