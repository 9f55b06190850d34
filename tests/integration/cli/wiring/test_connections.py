"""Connections to a Temporal server behind TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving import readiness
from flytetemporal.cli.wiring import connections
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.rpc.tls import ClientFiles
from tests.fixtures.certificates import Authority, Issued

Settings = Callable[..., TemporalSettings]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
    writer.close()


@pytest.fixture
async def behind_tls(temporal_address: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """A port that decrypts for Temporal's development server, which has no TLS; it asks for client certificates."""
    authority = Authority(tmp_path, "authority")
    own = authority.issue(Issued(tmp_path / "own.crt", tmp_path / "own.key"), "127.0.0.1")
    client = authority.issue(Issued(tmp_path / "client.crt", tmp_path / "client.key"), "client")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.path))
    context.load_cert_chain(own.certificate, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    host, port = temporal_address.split(":")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    def settings(**changes: object) -> TemporalSettings:
        values: dict[str, object] = {
            "tls": True,
            "tls_ca": str(authority.path),
            "tls_client_certificate": str(client.certificate),
            "tls_client_key": str(client.key),
            "api_key": "a key",
        }
        listening = server.sockets[0].getsockname()[1]
        return TemporalSettings.model_validate({"address": f"127.0.0.1:{listening}", **values, **changes})

    server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    yield settings
    server.close()


async def test_temporal_is_reached_with_tls_and_a_client_certificate(behind_tls: Settings) -> None:
    client = await connections.temporal(behind_tls())

    assert (await client.count_workflows()).count >= 0


async def test_a_server_of_an_unknown_authority_is_not_trusted(
    behind_tls: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "WAIT_SECONDS", 0)

    with pytest.raises(CommandError, match=r"Temporal at 127\.0\.0\.1"):
        await connections.temporal(behind_tls(tls_ca=str(Authority(tmp_path, "stranger").path)))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"tls_ca": "/ca.pem"}, "TEMPORAL__TLS=true"),
        ({"api_key": "secret"}, "TEMPORAL__TLS=true"),
        ({"tls": True, "tls_client_key": "/k.pem"}, "set together"),
        ({"tls": True, "tls_ca": "/none.pem"}, "cannot read /none.pem"),
    ],
)
async def test_settings_that_cannot_work_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        await connections.temporal(TemporalSettings.model_validate(settings))


def test_files_for_admin_need_tls() -> None:
    with pytest.raises(CommandError, match="ADMIN_TLS=true"):
        connections.admin_files(WorkerSettings(admin_ca="/ca.pem"))
    assert connections.admin_files(WorkerSettings()) is None
    assert connections.admin_files(WorkerSettings(admin_tls=True)) == ClientFiles()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"encryption_keys": {"new": "short"}, "encryption_key_id": "new"}, "16, 24 or 32 bytes"),
        ({"encryption_key_id": "new"}, r"no encryption key \[new\]"),
    ],
)
def test_keys_that_cannot_encrypt_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        connections.data_converter(TemporalSettings.model_validate(settings))
