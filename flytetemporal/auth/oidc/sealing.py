"""Seal what a browser keeps for the server: encrypted and authenticated, for one purpose at one server, until a time.

The form is JSON Web Encryption with AES-GCM, so a sealed value that was changed does not open.
"""

import binascii
import json
import time
from collections.abc import Sequence
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import SecretStr

from flytetemporal.config.oidc import cookie_key

_ALGORITHMS = ["dir", "A256GCM", "DEF"]


class Sealer:
    """Seals values with the first of some keys, and opens those of all keys."""

    def __init__(self, keys: Sequence[SecretStr], server: str) -> None:
        """``server`` is what the values of two servers with the same key differ by."""
        self._keys = [OctKey.import_key(cookie_key(key)) for key in keys]
        for key in self._keys:
            key.ensure_kid()  # The thumbprint.
        self._server = server

    def seal(self, purpose: str, value: dict[str, Any], expires_at: float) -> str:
        """Return a text that opens until ``expires_at`` and for this purpose only."""
        content = {"for": purpose, "at": self._server, "exp": expires_at, "value": value}
        header = {"alg": "dir", "enc": "A256GCM", "zip": "DEF", "kid": self._keys[0].kid}
        return jwe.encrypt_compact(header, json.dumps(content), self._keys[0], algorithms=_ALGORITHMS)

    def open(self, purpose: str, sealed: str) -> tuple[dict[str, Any], float] | None:
        """Return a value and when it expires; None if it does not open. The caller looks at the time."""
        content = self._opened(sealed)
        if content is None or (content.get("for"), content.get("at")) != (purpose, self._server):
            return None
        return content["value"], content["exp"]

    def _opened(self, sealed: str) -> dict[str, Any] | None:
        for key in self._keys:
            try:
                opened = jwe.decrypt_compact(sealed, key, algorithms=_ALGORITHMS)
                found: dict[str, Any] = json.loads(opened.plaintext or b"")
            except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
                continue
            return found
        return None


def is_over(expires_at: float) -> bool:
    """Whether a time has passed."""
    return time.time() >= expires_at
