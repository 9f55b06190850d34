"""The authenticators that the settings turn on."""

from flytetemporal.auth.authentication import Authenticator
from flytetemporal.config.auth import AuthSettings


def authenticators(_: AuthSettings) -> list[Authenticator]:
    """Return one for each kind of credential that is accepted, in the order in which they are asked."""
    return []
