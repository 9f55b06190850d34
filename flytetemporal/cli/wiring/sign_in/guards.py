"""The guard of a server process."""

from flytetemporal.auth.authentication import Chain
from flytetemporal.auth.guard import SignInGuard
from flytetemporal.cli.wiring.sign_in import authenticators
from flytetemporal.config.settings import Settings
from flytetemporal.rpc.callers import OPEN, Guard


def guard(settings: Settings) -> Guard:
    """Return the guard that the settings ask for: one that serves every call unless a kind of sign-in is on."""
    if not settings.auth.required:
        return OPEN
    return SignInGuard(Chain(authenticators.authenticators(settings.auth)))
