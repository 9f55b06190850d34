"""The connections to Temporal, which every process needs, and to admin.

Servers are started in any order, so the one to Temporal waits.
"""

from pathlib import Path

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import RPCError, TLSConfig

from flytetemporal.auth.service_tokens import ClientTokens, TokenFile
from flytetemporal.cli import problems
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving.readiness import wait_until_ready
from flytetemporal.cli.wiring import configuration
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.contracts import payloads
from flytetemporal.rpc.tls import ClientFiles


def temporal_tls(settings: TemporalSettings) -> TLSConfig | bool:
    """Return how to encrypt the connection to Temporal; False: not at all.

    Raises:
        CommandError: a file cannot be read, or the settings contradict each other.
    """
    named = (settings.tls_ca, settings.tls_client_certificate, settings.tls_client_key)
    if not settings.tls:
        if any(named) or settings.api_key.get_secret_value():
            raise CommandError("TLS files and an API key for Temporal need FLYTETEMPORAL_TEMPORAL__TLS=true")
        return False
    if bool(settings.tls_client_certificate) != bool(settings.tls_client_key):
        raise CommandError("the client certificate for Temporal and its key are set together, or neither is")
    try:
        authorities, certificate, key = (Path(path).read_bytes() if path else None for path in named)
    except OSError as e:
        raise CommandError(f"cannot read {e.filename}: {e.strerror}") from e
    return TLSConfig(server_root_ca_cert=authorities, client_cert=certificate, client_private_key=key)


def data_converter(settings: TemporalSettings) -> DataConverter:
    """Return the converter of values to payloads, which encrypts them if there are keys.

    Raises:
        CommandError: a key is none, or there is no key of the id that the settings name.
    """
    cipher = configuration.cipher(settings)
    return payloads.DATA_CONVERTER if cipher is None else payloads.encrypting(cipher)


async def connect(settings: TemporalSettings) -> Client:
    """Return a client; does not wait for a server that does not answer yet.

    Raises:
        CommandError: the TLS files or the encryption keys cannot be used.
        RuntimeError: the server does not answer.
    """
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        data_converter=data_converter(settings),
        tls=temporal_tls(settings),
        api_key=settings.api_key.get_secret_value() or None,
    )


async def temporal(settings: TemporalSettings) -> Client:
    """Return a client when the namespace answers.

    Raises:
        CommandError: server or namespace do not answer within ``readiness.WAIT_SECONDS``, or the TLS files cannot be
            used.
    """

    async def answering() -> Client:
        client = await connect(settings)
        await client.count_workflows()  # The port is open a moment before the namespace exists.
        return client

    try:
        return await wait_until_ready("temporal", answering, RPCError, RuntimeError)
    except (RPCError, RuntimeError) as e:
        server = f"Temporal at {settings.address}, namespace {settings.namespace},"
        raise CommandError(problems.answer(server, e)) from e


def admin_tokens(settings: WorkerSettings) -> ClientTokens | TokenFile | None:
    """Return the tokens with which the worker signs in to admin; None if it does not.

    Raises:
        CommandError: the settings contradict each other.
    """
    secret = settings.admin_client_secret.get_secret_value()
    if bool(settings.admin_client_id) != bool(secret):
        raise CommandError(
            "FLYTETEMPORAL_WORKER__ADMIN_CLIENT_ID and FLYTETEMPORAL_WORKER__ADMIN_CLIENT_SECRET are set together, or "
            "neither is"
        )
    if settings.admin_token_file:
        if secret:
            raise CommandError("FLYTETEMPORAL_WORKER__ADMIN_TOKEN_FILE and a client for admin exclude each other")
        return TokenFile(Path(settings.admin_token_file))
    if not secret:
        return None
    url = settings.admin_token_url or f"{settings.admin_url.rstrip('/')}/oauth2/token"
    return ClientTokens(url, settings.admin_client_id, secret, settings.admin_ca)


def admin_files(settings: WorkerSettings) -> ClientFiles | None:
    """Return the TLS files of the connection to admin; None without TLS.

    Raises:
        CommandError: there are files, but TLS is off.
    """
    files = ClientFiles(settings.admin_ca, settings.admin_client_certificate, settings.admin_client_key)
    if settings.admin_tls:
        return files
    if files != ClientFiles():
        raise CommandError("TLS files for admin need FLYTETEMPORAL_WORKER__ADMIN_TLS=true")
    return None
