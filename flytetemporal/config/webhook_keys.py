"""Keys that sign webhooks, in the form of the specification Standard Webhooks."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, SecretStr

# As the specification asks for.
_KEY_BYTES = range(24, 65)


def signing_key(secret: SecretStr) -> bytes:
    """Return the bytes of a key: base64, after ``whsec_`` or alone.

    Raises:
        ValueError: the key has another form, or too few or too many bytes.
    """
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except binascii.Error as e:
        raise ValueError("a key is written in base64, such as that of: openssl rand -base64 32") from e
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"a key has 24 to 64 bytes, and not {len(key)}; make one with: openssl rand -base64 32")
    return key


def _checked(secret: SecretStr) -> SecretStr:
    signing_key(secret)
    return secret


WebhookKey = Annotated[SecretStr, AfterValidator(_checked)]
