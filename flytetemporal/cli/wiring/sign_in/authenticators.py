"""The authenticators that the settings turn on."""

from flytetemporal.auth.api_keys import ApiKeyAuthenticator, ApiKeys
from flytetemporal.auth.authentication import Authenticator
from flytetemporal.cli.wiring.sign_in import oidc
from flytetemporal.cli.wiring.sign_in.own_server import OwnSignIn
from flytetemporal.config.auth import AuthSettings


def authenticators(
    settings: AuthSettings, public_url: str, keys: ApiKeys, own: OwnSignIn | None = None
) -> list[Authenticator]:
    """Return one for each kind of credential that is accepted, in the order in which they are asked.

    ``public_url`` is that of this server.
    """
    found: list[Authenticator] = []
    if settings.api_keys.enabled:
        found.append(ApiKeyAuthenticator(keys))  # First: it refuses keys in URLs.
    openid = oidc.build(settings.oidc, public_url)
    return [*found, *(own.authenticators() if own else []), *(openid.authenticators() if openid else ())]
