"""Which addresses webhooks may have. Any client can register one, and the control plane may reach more than clients.

A host that the settings name may have any address, private ones included. A host that only a pattern allows must have
public addresses when it is called, so that a name with a private address opens no door.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from flytetemporal.errors import InvalidRequest

SETTING = "FLYTETEMPORAL_NOTIFICATIONS__WEBHOOK_HOSTS"
MAX_URL_LENGTH = 2048
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Target:
    """An address that is allowed. ``must_be_public``: only a pattern allows it."""

    scheme: str
    host: str
    port: int
    must_be_public: bool

    @property
    def destination(self) -> str:
        """What is slow or down as one: host and port."""
        return f"{self.host}:{self.port}"


def check(url: str, allowed: Sequence[str]) -> Target:
    """Return the target of a URL. ``allowed`` are entries of ``webhook_hosts``.

    Raises:
        InvalidRequest: the URL is malformed, or its host is not allowed.
    """
    scheme, host, port = parts(url)
    rules = [_rule(entry) for entry in allowed]
    matching = [
        name for rule_scheme, name, rule_port in rules if _fits(name, host, rule_scheme, rule_port, scheme, port)
    ]
    if not matching:
        shown = f"{'http://' if scheme == 'http' else ''}{host}{'' if port == _PORTS[scheme] else f':{port}'}"
        raise InvalidRequest(f"webhooks may not call {shown}; ask your operator to add it to {SETTING}")
    return Target(scheme, host, port, must_be_public=host not in matching)


def parts(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of the URL of a webhook. Raises ``InvalidRequest`` if it is malformed."""
    if len(url) > MAX_URL_LENGTH:
        raise InvalidRequest(f"the URL of a webhook has {len(url)} characters, more than {MAX_URL_LENGTH}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidRequest(f"{url!r} is not the URL of a webhook: encode what is not ASCII, and blanks")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        raise InvalidRequest(f"{url!r} is not the URL of a webhook: {e}") from e
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise InvalidRequest(f"{url!r} is not the URL of a webhook, which starts with https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest(f"the URL of the webhook on {parts.hostname} has a login, which other users could read")
    return parts.scheme, parts.hostname.rstrip(".").lower(), port or _PORTS[parts.scheme]


def _rule(entry: str) -> tuple[str, str, int]:
    scheme = "http" if entry.lower().startswith("http://") else "https"
    rest = entry[7:] if scheme == "http" else entry
    name, colon, port = rest.rpartition(":") if not rest.endswith("]") else (rest, "", "")
    if not colon:
        name, port = rest, ""
    return scheme, name.strip("[]").lower(), int(port) if port else _PORTS[scheme]


def _fits(name: str, host: str, rule_scheme: str, rule_port: int, scheme: str, port: int) -> bool:
    if (rule_scheme, rule_port) != (scheme, port):
        return False
    return name in ("*", host) or (name.startswith("*.") and host.endswith(name[1:]) and host != name[1:])
