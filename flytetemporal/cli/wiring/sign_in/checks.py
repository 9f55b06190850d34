"""Refuse settings of sign-in that cannot work together, or not safely, before anything is served."""

from urllib.parse import urlsplit

from flytetemporal.cli.errors import CommandError
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.auth import AuthSettings
from flytetemporal.config.oidc import is_loopback


def check(auth: AuthSettings, admin: AdminSettings) -> None:
    """Check the settings of sign-in against each other and against those of the ports.

    Raises:
        CommandError: says which settings exclude each other, and what to do.
    """
    if auth.basic.password_file and not _private(admin):
        raise CommandError(
            f"passwords for {admin.public_url} would cross a network in plain text: set "
            "FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE, or FLYTETEMPORAL_ADMIN__PUBLIC_URL to the https address of a proxy, "
            "or unset FLYTETEMPORAL_AUTH__BASIC__PASSWORD_FILE"
        )
    if auth.certificates.enabled and not (admin.tls_client_ca and auth.certificates.principals):
        raise CommandError(
            "FLYTETEMPORAL_AUTH__CERTIFICATES__ENABLED needs FLYTETEMPORAL_ADMIN__TLS_CLIENT_CA, with the authority "
            "of the certificates, and FLYTETEMPORAL_AUTH__CERTIFICATES__PRINCIPALS, which says whose they are"
        )
    if auth.server.enabled and auth.server.users_file and auth.oidc.client_id:
        raise CommandError(
            "FLYTETEMPORAL_AUTH__SERVER__USERS_FILE and FLYTETEMPORAL_AUTH__OIDC__CLIENT_ID both ask for users at "
            "/login: unset one of them"
        )


def _private(admin: AdminSettings) -> bool:
    """Whether what clients send is encrypted, here or by a proxy, or stays on loopback."""
    if admin.tls_certificate or admin.public_url.startswith("https:"):
        return True
    return is_loopback(admin.host) and is_loopback(urlsplit(admin.public_url).hostname or "")
