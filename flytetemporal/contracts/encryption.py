"""Encrypt payloads on their way into Temporal, so that neither its database nor its UI shows values.

AES-GCM with one key for all new payloads. Older keys stay for payloads that they have encrypted: each names its key.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError, Message
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import PayloadCodec

from flytetemporal.contracts import compression
from flytetemporal.contracts.masking import inside
from flytetemporal.errors import InvalidRequest

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
KEY_BYTES = (16, 24, 32)
_NONCE_BYTES = 12


class Cipher:
    """Encrypts with the key of ``current``, and decrypts with all keys. Can be shared by threads."""

    def __init__(self, keys: Mapping[str, str], current: str) -> None:
        """Take keys in base64 by their ids.

        Raises:
            InvalidRequest: a key is not 16, 24 or 32 bytes in base64, or there is none of the name ``current``.
        """
        self._keys = {name: AESGCM(_key(name, text)) for name, text in keys.items()}
        if current not in self._keys:
            known = ", ".join(sorted(self._keys)) or "none"
            raise InvalidRequest(f"there is no encryption key [{current}]; known keys: {known}")
        self._current = current

    def encrypted(self, payload: Payload) -> Payload:
        """Return the payload, encrypted."""
        nonce, key_id = os.urandom(_NONCE_BYTES), self._current.encode()
        data = nonce + self._keys[self._current].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key_id}, data=data)

    def decrypted(self, payload: Payload) -> Payload:
        """Return what ``encrypted`` was given; a payload that is not encrypted is returned as it is.

        Raises:
            InvalidRequest: its key is unknown, or it is damaged.
        """
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(KEY_ID, b"")
        key = self._keys.get(key_id.decode(errors="replace"))
        if key is None:
            raise InvalidRequest(
                f"a payload is encrypted with key [{key_id.decode(errors='replace')[:100]}], which this process lacks; "
                "add it to FLYTETEMPORAL_TEMPORAL__ENCRYPTION_KEYS"
            )
        try:
            return Payload.FromString(key.decrypt(payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:], key_id))
        except (InvalidTag, ValueError, DecodeError) as e:
            raise InvalidRequest("an encrypted payload is damaged, or its key has changed") from e


class EncryptingCodec(PayloadCodec):
    """Codec that compresses large payloads, then encrypts all. It also reads what is not encrypted."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Compress the large payloads, and encrypt all."""
        return [self._cipher.encrypted(compression.compressed(payload)) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt and decompress."""
        return [compression.decompressed(self._cipher.decrypted(payload)) for payload in payloads]

    def decrypt(self, message: Message) -> None:
        """Decrypt all payloads inside a message, and show the texts of its failures again. They stay compressed.

        Raises:
            InvalidRequest: a key is unknown, or a payload is damaged.
        """
        for found in inside(message):
            if isinstance(found, Payload):
                found.CopyFrom(self._cipher.decrypted(found))
            elif isinstance(found, Failure) and found.HasField("encoded_attributes"):
                _show(found, self._cipher.decrypted(found.encoded_attributes))


def _show(failure: Failure, attributes: Payload) -> None:
    """Set the texts that the SDK has moved into a payload to be encrypted."""
    try:
        texts = json.loads(compression.decompressed(attributes).data)
        failure.message, failure.stack_trace = str(texts["message"]), str(texts.get("stack_trace", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # Not ours: the failure stays as it is.
    failure.ClearField("encoded_attributes")


def _key(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in KEY_BYTES or not name:
        raise InvalidRequest(f"encryption key [{name}] must be 16, 24 or 32 bytes in base64, and have a name")
    return key
