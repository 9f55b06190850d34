"""TLS of the gRPC and HTTP ports, and of the clients of the gRPC ports.

Servers read their files again when they have changed, so that a renewed certificate needs no restart.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import structlog

from flytetemporal.config.admin import AdminSettings
from flytetemporal.errors import InvalidRequest

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """PEM files of a client, empty for none: authorities of the server, and the client's certificate and key."""

    authorities: str = ""
    certificate: str = ""
    key: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the credentials of a channel.

        Raises:
            InvalidRequest: a file cannot be read, or only one of certificate and key is named.
        """
        if bool(self.certificate) != bool(self.key):
            raise InvalidRequest("a client certificate and its key are set together, or neither is")
        authorities, key, certificate = (
            _read(path) if path else None for path in (self.authorities, self.key, self.certificate)
        )
        found: grpc.ChannelCredentials = grpc.ssl_channel_credentials(authorities, key, certificate)
        return found


@dataclass(slots=True)
class ServerFiles:
    """The PEM files of a server; without ``client_authorities`` clients need no certificate."""

    certificate: Path
    key: Path
    client_authorities: Path | None
    _seen: Sequence[tuple[int, int, int]] = field(default=(), init=False)

    @classmethod
    def of(cls, settings: AdminSettings) -> "ServerFiles | None":
        """Return the files that the settings name; None without TLS.

        Raises:
            InvalidRequest: the settings contradict each other, or a file is missing or unusable.
        """
        if bool(settings.tls_certificate) != bool(settings.tls_key):
            raise InvalidRequest(
                "FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE and FLYTETEMPORAL_ADMIN__TLS_KEY are set together, or neither is"
            )
        if not settings.tls_certificate:
            if settings.tls_client_ca:
                raise InvalidRequest("FLYTETEMPORAL_ADMIN__TLS_CLIENT_CA needs FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE")
            return None
        authorities = Path(settings.tls_client_ca) if settings.tls_client_ca else None
        files = cls(Path(settings.tls_certificate), Path(settings.tls_key), authorities)
        files.context()  # gRPC would accept unusable files, and fail at each handshake.
        return files

    def context(self) -> ssl.SSLContext:
        """Return a TLS context with the present content of the files.

        Raises:
            InvalidRequest: a file is missing or unusable.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
            if self.client_authorities is not None:
                context.load_verify_locations(self.client_authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ValueError) as e:  # An ``SSLError`` is an ``OSError``.
            names = ", ".join(str(path) for path in self._paths())
            raise InvalidRequest(f"the TLS files {names} cannot be used: {e}") from e
        return context

    def renewing_context(self) -> ssl.SSLContext:
        """Return a TLS context whose handshakes use the files that are there by then."""
        first = newest = self.context()
        self._changed()

        # Called at each handshake, also for clients that name no server.
        def choose(connection: ssl.SSLObject | ssl.SSLSocket, _: str | None, __: ssl.SSLContext) -> None:
            nonlocal newest
            if (renewed := self._renewed()) is not None:
                newest = renewed
            connection.context = newest

        first.sni_callback = choose
        return first

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials of a gRPC port, which asks for new files at each handshake."""
        self._changed()

        def renewed() -> "grpc.ServerCertificateConfiguration | None":
            return None if self._renewed() is None else self._configuration()

        required = self.client_authorities is not None
        found: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
            self._configuration(), renewed, require_client_authentication=required
        )
        return found

    def _renewed(self) -> ssl.SSLContext | None:
        """Return a context of the files if they have changed and fit together."""
        try:
            return self.context() if self._changed() else None
        except InvalidRequest as e:
            # One file can be new and the other one still old: the next handshake looks again.
            self._seen = ()
            _log.warning("tls_files_not_used", problem=e.message)
            return None

    def _changed(self) -> bool:
        # Kubernetes renews a mounted secret by another target of a symbolic link, which ``stat`` follows.
        try:
            found = [path.stat() for path in self._paths()]
        except OSError as e:
            raise InvalidRequest(f"cannot read {e.filename}: {e.strerror}") from e
        states = tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)
        changed, self._seen = states != self._seen, states
        return changed

    def _configuration(self) -> "grpc.ServerCertificateConfiguration":
        authorities = _read(self.client_authorities) if self.client_authorities is not None else None
        pair = _read(self.key), _read(self.certificate)
        found: grpc.ServerCertificateConfiguration = grpc.ssl_server_certificate_configuration([pair], authorities)
        return found

    def _paths(self) -> list[Path]:
        return [path for path in (self.certificate, self.key, self.client_authorities) if path is not None]


def _no_passphrase() -> str:
    # Without this OpenSSL would ask for one on the terminal.
    raise ValueError("the key has a passphrase; store it without one")


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise InvalidRequest(f"cannot read {path}: {e.strerror}") from e
