"""The authenticators that the settings turn on."""

from pathlib import Path

from flytetemporal.auth.api_keys import ApiKeyAuthenticator, ApiKeys
from flytetemporal.auth.authentication import Authenticator
from flytetemporal.auth.basic import BasicAuthenticator
from flytetemporal.auth.certificates import CertificateAuthenticator
from flytetemporal.auth.passwords import PasswordFile
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring.sign_in.oidc import OpenIdSignIn
from flytetemporal.cli.wiring.sign_in.own_server import OwnSignIn
from flytetemporal.config.auth import AuthSettings
from flytetemporal.errors import InvalidRequest


def authenticators(
    settings: AuthSettings, keys: ApiKeys, own: OwnSignIn | None = None, openid: OpenIdSignIn | None = None
) -> list[Authenticator]:
    """Return one for each kind of credential that is accepted, in the order in which they are asked.

    Raises:
        CommandError: the file of passwords cannot be read.
    """
    found: list[Authenticator] = []
    if settings.api_keys.enabled:
        found.append(ApiKeyAuthenticator(keys))  # First: it refuses keys in URLs.
    if settings.basic.password_file:
        found.append(_basic(Path(settings.basic.password_file)))
    found += [*(own.authenticators() if own else ()), *(openid.authenticators() if openid else ())]
    if settings.certificates.enabled:
        found.append(CertificateAuthenticator(settings.certificates.principals))  # Last: a session counts more.
    return found


def _basic(path: Path) -> BasicAuthenticator:
    users = PasswordFile(path)
    try:
        users.users()
    except InvalidRequest as e:
        raise CommandError(f"{e.message} (FLYTETEMPORAL_AUTH__BASIC__PASSWORD_FILE)") from e
    return BasicAuthenticator(users)
