"""Where the Keycloak for tests comes from, and what is said where it cannot be had."""

import functools
import hashlib
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.fixtures.keycloak import distribution
from tests.fixtures.keycloak.distribution import KeycloakError

CONTENT = b"an archive"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return distribution.cache()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A repository that has the file."""
    file = tmp_path / "served" / distribution.PATH.removeprefix("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def archives(cache: Path) -> list[str]:
    return [file.name for file in cache.iterdir() if not file.name.endswith(".lock")]


def test_the_archive_is_downloaded_once(repository: str, cache: Path) -> None:
    assert distribution.archive(repository, SHA256).read_bytes() == CONTENT
    assert distribution.archive("http://127.0.0.1:1", SHA256).read_bytes() == CONTENT
    assert archives(cache) == [f"keycloak-{distribution.VERSION}.zip"]


def test_another_file_than_the_expected_one_is_removed(repository: str, cache: Path) -> None:
    with pytest.raises(KeycloakError, match=f"had the SHA-256 {SHA256}, and not {distribution.SHA256}"):
        distribution.archive(repository)

    assert archives(cache) == []


def test_a_failed_download_leaves_nothing_and_says_what_to_do(repository: str, cache: Path) -> None:
    with pytest.raises(KeycloakError, match=r"404.*put the file there yourself"):
        distribution.archive(f"{repository}/elsewhere", SHA256)

    assert archives(cache) == []


@pytest.mark.parametrize("said", ["", 'openjdk version "11.0.2" 2019-01-15'])
def test_without_java_it_is_said_what_to_install(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    if said:
        program = tmp_path / "bin" / "java"
        program.write_text(f"#!{sys.executable}\nimport sys\nsys.stderr.write({said!r})\n")
        program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    with pytest.raises(KeycloakError, match=f"NO KEYCLOAK: install Java 17 .*{said}"):
        distribution.built()
