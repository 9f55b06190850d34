"""Where a login or a logout may lead: to this server, or to an address that the settings name. Never anywhere else."""

from urllib.parse import SplitResult, urlsplit

from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import PermissionDenied

MAX_LENGTH = 2000
_PORTS = {"https": 443, "http": 80}


class Redirects:
    """The addresses that are allowed."""

    def __init__(self, settings: OidcSettings, public_url: str) -> None:
        self._usual = settings.redirect_url
        self._allowed = {_origin(urlsplit(url)) for url in (public_url, *settings.authorized_uris)}

    def checked(self, asked: str) -> str:
        """Return the address that was asked for, or the usual one if there is none.

        Raises:
            PermissionDenied: it leads elsewhere.
        """
        if not asked:
            return self._usual
        if len(asked) > MAX_LENGTH or not self._is_allowed(asked):
            raise PermissionDenied(
                f"redirect_url [{asked[:200]}] is neither a path of this server nor at an address of "
                "FLYTETEMPORAL_AUTH__OIDC__AUTHORIZED_URIS"
            )
        return asked

    def _is_allowed(self, asked: str) -> bool:
        # Browsers take a backslash for a slash, and leave out tabs and line breaks: /\example.com is another host.
        if "\\" in asked or not asked.isascii() or not asked.isprintable() or " " in asked:
            return False
        try:
            parts = urlsplit(asked)
            origin = _origin(parts)
        except ValueError:  # Of a port or an address that is none.
            return False
        if not parts.scheme and not parts.netloc:
            return asked.startswith("/") and not asked.startswith("//")
        return "@" not in parts.netloc and origin in self._allowed


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
