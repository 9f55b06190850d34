"""Our own authorization server, built from settings."""

from dataclasses import dataclass
from pathlib import Path

from authlib.common.security import is_secure_transport
from flyteidl.service import auth_pb2
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.routing import Route

from flytetemporal.admin import service
from flytetemporal.admin.sign_in.records import StoredRecords
from flytetemporal.auth.authentication import Authenticator
from flytetemporal.auth.passwords import PasswordFile
from flytetemporal.auth.server import keys, local_users, routes
from flytetemporal.auth.server.authentication import OwnTokens, Revocations
from flytetemporal.auth.server.engine import OAuthServer
from flytetemporal.auth.server.metadata import OwnServer
from flytetemporal.auth.server.sessions import Sessions
from flytetemporal.cli.errors import CommandError
from flytetemporal.config.settings import Settings
from flytetemporal.rpc.methods import Method, bind


@dataclass(frozen=True, slots=True)
class OwnSignIn:
    """The parts of a server process with our own authorization server."""

    server: OAuthServer
    sessions: Sessions
    tokens: OwnTokens
    users: PasswordFile | None

    def authenticators(self) -> list[Authenticator]:
        """Return those that know what the server issues."""
        return [self.tokens, self.sessions] if self.users else [self.tokens]

    def methods(self) -> list[Method]:
        """Return the service that tells clients how to sign in."""
        descriptor = auth_pb2.DESCRIPTOR.services_by_name["AuthMetadataService"]
        return bind(descriptor, service.AUTH_METADATA, OwnServer(self.server))

    def routes(self, browsers: Authenticator | None = None) -> list[Route]:
        """Return the HTTP routes. Users sign in as local users, or else as ``browsers`` knows them."""
        local = local_users.routes(self.users, self.sessions) if self.users else []
        return [*routes.routes(self.server, self.sessions if self.users else browsers or self.sessions), *local]


def build(settings: Settings, sessions: async_sessionmaker[AsyncSession]) -> OwnSignIn | None:
    """Return the server that the settings ask for, if they do.

    Raises:
        CommandError: its URL has no TLS and is not on loopback, or the file of users cannot be read.
    """
    wanted = settings.auth.server
    if not wanted.enabled:
        return None
    issuer = (wanted.issuer or settings.admin.public_url).rstrip("/")
    if not is_secure_transport(issuer):
        raise CommandError(
            f"the authorization server at {issuer} needs TLS: set FLYTETEMPORAL_ADMIN__PUBLIC_URL to an https URL, "
            "which a proxy or FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE serves"
        )
    records = StoredRecords(sessions)
    ring = keys.KeyRing(keys.source(wanted, records))
    users = PasswordFile(Path(wanted.users_file)) if wanted.users_file else None
    if users is not None:
        users.users()
    return OwnSignIn(
        OAuthServer(wanted, issuer, records, ring),
        Sessions(records, issuer, wanted.session_lifetime, secure=issuer.startswith("https:")),
        OwnTokens(issuer, ring, Revocations(records)),
        users,
    )
