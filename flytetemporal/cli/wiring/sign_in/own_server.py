"""Our own authorization server, built from settings."""

from dataclasses import dataclass
from pathlib import Path

from authlib.common.security import is_secure_transport
from flyteidl.service import auth_pb2
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.routing import Route

from flytetemporal.admin import service
from flytetemporal.admin.sign_in.records import StoredRecords
from flytetemporal.admin.sign_in.task_tokens import StoredAttempts
from flytetemporal.auth.authentication import Authenticator
from flytetemporal.auth.passwords import PasswordFile
from flytetemporal.auth.server import keys, local_users, routes
from flytetemporal.auth.server.authentication import OwnTokens, Revocations
from flytetemporal.auth.server.engine import OAuthServer
from flytetemporal.auth.server.metadata import OwnServer
from flytetemporal.auth.server.sessions import Sessions
from flytetemporal.auth.server.task_tokens import TaskTokens
from flytetemporal.cli.errors import CommandError
from flytetemporal.config.settings import Settings
from flytetemporal.rpc.methods import Method, bind


@dataclass(frozen=True, slots=True)
class OwnSignIn:
    """The parts of a server process with our own authorization server."""

    server: OAuthServer | None
    """None if this installation issues tokens to tasks only."""
    sessions: Sessions
    tokens: OwnTokens
    users: PasswordFile | None

    def authenticators(self) -> list[Authenticator]:
        """Return those that know what the server issues."""
        return [self.tokens, self.sessions] if self.users else [self.tokens]

    def methods(self) -> list[Method]:
        """Return the service that tells clients how to sign in; nothing without a server."""
        if self.server is None:
            return []
        descriptor = auth_pb2.DESCRIPTOR.services_by_name["AuthMetadataService"]
        return bind(descriptor, service.AUTH_METADATA, OwnServer(self.server))

    def routes(self, browsers: Authenticator | None = None) -> list[Route]:
        """Return the HTTP routes. Users sign in as local users, or else as ``browsers`` knows them."""
        if self.server is None:
            return []
        local = local_users.routes(self.users, self.sessions) if self.users else []
        return [*routes.routes(self.server, self.sessions if self.users else browsers or self.sessions), *local]


def task_tokens(settings: Settings, sessions: async_sessionmaker[AsyncSession]) -> TaskTokens | None:
    """Return what issues and checks the tokens of tasks; None without sign-in."""
    if not settings.auth.required:
        return None
    wanted = settings.auth.server
    ring = keys.KeyRing(keys.source(wanted, StoredRecords(sessions)))
    return TaskTokens(_issuer(settings), ring, wanted.task_token_lifetime, StoredAttempts(sessions))


def build(settings: Settings, sessions: async_sessionmaker[AsyncSession]) -> OwnSignIn | None:
    """Return the server that the settings ask for, and what tasks need; None without sign-in.

    Raises:
        CommandError: its URL has no TLS and is not on loopback, or the file of users cannot be read.
    """
    tasks = task_tokens(settings, sessions)
    if tasks is None:
        return None
    wanted, issuer, ring, records = settings.auth.server, tasks.issuer, tasks.ring, StoredRecords(sessions)
    if wanted.enabled and not is_secure_transport(issuer):
        raise CommandError(
            f"the authorization server at {issuer} needs TLS: set FLYTETEMPORAL_ADMIN__PUBLIC_URL to an https URL, "
            "which a proxy or FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE serves"
        )
    users = PasswordFile(Path(wanted.users_file)) if wanted.enabled and wanted.users_file else None
    if users is not None:
        users.users()
    return OwnSignIn(
        OAuthServer(wanted, issuer, records, ring) if wanted.enabled else None,
        Sessions(records, issuer, wanted.session_lifetime, secure=issuer.startswith("https:")),
        OwnTokens(issuer, ring, Revocations(records), tasks),
        users,
    )


def _issuer(settings: Settings) -> str:
    return (settings.auth.server.issuer or settings.admin.public_url).rstrip("/")
