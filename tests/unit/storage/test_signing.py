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

    link = await signer.link("PUT", "s3://bucket/prefix/x", HOUR, MD5)

    assert "X-Amz-Signature" in link or "Signature=" in link
    assert "/prefix/x?" in link
