import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from flytetemporal.errors import PermissionDenied
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import FILES_PATH, Signer

HOUR = timedelta(hours=1)
MD5 = hashlib.md5(b"data").digest()


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(BlobStore(f"file://{tmp_path}"), b"key", "http://localhost:8088")


def parts(link: str) -> tuple[str, dict[str, str]]:
    split = urlsplit(link)
    return unquote(split.path).removeprefix(FILES_PATH + "/"), dict(parse_qsl(split.query))


async def test_a_link_verifies_and_returns_its_md5(signer: Signer, tmp_path: Path) -> None:
    path, parameters = parts(await signer.link("PUT", f"file://{tmp_path}/a b/ü.txt", HOUR, MD5))

    assert path == "a b/ü.txt"
    assert signer.verify("PUT", path, parameters) == MD5


@pytest.mark.parametrize("change", ["verb", "path", "expires", "md5", "signature"])
async def test_a_link_is_good_for_nothing_else(signer: Signer, tmp_path: Path, change: str) -> None:
    path, parameters = parts(await signer.link("PUT", f"file://{tmp_path}/x", HOUR, MD5))
    verb = "GET" if change == "verb" else "PUT"
    path = "y" if change == "path" else path
    if change in parameters:
        parameters[change] = (
            "9" + parameters[change][1:] if parameters[change][0] != "9" else "8" + parameters[change][1:]
        )

    with pytest.raises(PermissionDenied):
        signer.verify(verb, path, parameters)


@pytest.mark.parametrize(("path", "moved"), [("x", "x\n9999999999"), ("x\n1", "x"), ('x", "', "x")])
async def test_no_field_can_pass_for_two(signer: Signer, tmp_path: Path, path: str, moved: str) -> None:
    _, parameters = parts(await signer.link("PUT", f"file://{tmp_path}/{path}", HOUR, MD5))
    expires = parameters["expires"]

    for shifted in ({"expires": ""}, {"expires": f"{expires}\n"}, {"expires": f'{expires}", "'}, {"md5": ""}):
        with pytest.raises(PermissionDenied):
            signer.verify("PUT", moved, {**parameters, **shifted})
        with pytest.raises(PermissionDenied):
            signer.verify("PUT", path, {**parameters, **shifted})


@pytest.mark.parametrize("version", [None, "", "1", "3"])
async def test_a_link_of_another_version_is_refused(signer: Signer, tmp_path: Path, version: str | None) -> None:
    path, parameters = parts(await signer.link("PUT", f"file://{tmp_path}/x", HOUR, MD5))
    del parameters["version"]

    with pytest.raises(PermissionDenied):
        signer.verify("PUT", path, parameters if version is None else {**parameters, "version": version})


async def test_the_empty_key_of_an_installation_on_a_bucket_signs_nothing(tmp_path: Path) -> None:
    forged = await Signer(BlobStore(str(tmp_path)), b"", "http://localhost").link("PUT", f"{tmp_path}/x", HOUR)

    with pytest.raises(PermissionDenied):
        Signer(BlobStore("s3://bucket/prefix"), b"", "http://localhost").verify("PUT", *parts(forged))


async def test_an_old_link_has_expired(signer: Signer, tmp_path: Path) -> None:
    path, parameters = parts(await signer.link("GET", f"file://{tmp_path}/x", timedelta(seconds=-5)))

    with pytest.raises(PermissionDenied, match="expired"):
        signer.verify("GET", path, parameters)


async def test_a_link_without_a_signature_is_refused(signer: Signer) -> None:
    with pytest.raises(PermissionDenied):
        signer.verify("GET", "x", {})


@pytest.mark.parametrize("signature", ["é", "\0", "x" * 10_000, "\ud800"])
async def test_a_signature_that_is_no_ascii_text_is_refused(signer: Signer, signature: str) -> None:
    with pytest.raises(PermissionDenied):
        signer.verify("GET", "x", {"signature": signature, "expires": "é"})


async def test_a_cloud_store_signs_its_own_links(tmp_path: Path) -> None:
    options = {"key": "id", "secret": "secret", "client_kwargs": {"region_name": "us-east-1"}}
    signer = Signer(BlobStore("s3://bucket/prefix", options), b"key", "http://localhost:8088")

    link = await signer.link("PUT", "s3://bucket/prefix/x", HOUR, MD5, only_new=True)

    assert dict(parse_qsl(urlsplit(link).query))["X-Amz-SignedHeaders"] == "content-md5;host;if-none-match"
    assert "/prefix/x?" in link
    headers = signer.headers("s3://bucket/prefix/x", MD5, only_new=True)
    assert (headers["Content-MD5"], headers["If-None-Match"]) == (base64.b64encode(MD5).decode(), "*")
