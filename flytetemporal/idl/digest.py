"""Digests of messages: Flyte's own for cache keys, ours for comparing registrations.

``proto_hash`` must equal Flyte's hash, because cache keys are compared with keys computed by flytekit and with those of
existing cache entries. ``digest`` is private and can change: its value starts with the name of its scheme.
"""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence

from google.protobuf import json_format
from google.protobuf.message import Message

from flytetemporal import errors

_SCHEME = "v1"

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def digest(message: Message) -> str:
    """Return ``v1:`` and the SHA-256 of the message's deterministic serialization.

    Map entries are sorted by key and fields by number, so equal messages have equal digests however they were built.
    Protobuf does not guarantee the same bytes across its releases. If they ever differ, stored digests no longer match,
    and callers have to compare the messages themselves. For ten thousand nodes this takes milliseconds; ``proto_hash``
    takes seconds.
    """
    return f"{_SCHEME}:{hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()}"


def proto_hash(message: Message) -> bytes:
    """Return Flyte's hash of a message: SHA-256 over the tree of its JSON form.

    Mirrors flytestdlib/pbhash/pbhash.go and the objecthash scheme it uses.

    Raises:
        InvalidRequest: the message has no JSON form, for example a struct that contains NaN.
    """
    try:
        tree = json_format.MessageToDict(message)
    except (ValueError, json_format.SerializeToJsonError) as error:
        raise errors.InvalidRequest(f"the message cannot be hashed: {error}") from error
    return _hash(tree)


def proto_hash_base64(message: Message) -> str:
    """Return Flyte's hash of a message as URL-safe base64 without padding, the form of cache keys."""
    return base64.urlsafe_b64encode(proto_hash(message)).rstrip(b"=").decode()


def _hash(value: Json) -> bytes:
    match value:
        case None:
            return _tagged(b"n", b"")
        case bool():  # Before int: bool is a subclass of it.
            return _tagged(b"b", b"1" if value else b"0")
        case int() | float():
            # Go's JSON decoder turns every number into a float, so integers are hashed as floats too.
            return _tagged(b"f", normalised_float(float(value)).encode())
        case str():
            return _tagged(b"u", value.encode())
        case Mapping():
            entries = sorted(_hash(key) + _hash(child) for key, child in value.items())
            return _tagged(b"d", b"".join(entries))
        case _:
            return _tagged(b"l", b"".join(_hash(element) for element in value))


def _tagged(tag: bytes, content: bytes) -> bytes:
    return hashlib.sha256(tag + content).digest()


def normalised_float(value: float) -> str:
    """Return sign, exponent and binary digits, with the mantissa in (0.5, 1]: 2.5 is ``+2:0101``."""
    if value == 0:
        return "+0:"
    mantissa, exponent = math.frexp(abs(value))
    if mantissa == 0.5:
        mantissa, exponent = 1.0, exponent - 1
    digits = []
    while mantissa:
        digits.append("1" if mantissa >= 1 else "0")
        mantissa = (mantissa - 1 if mantissa >= 1 else mantissa) * 2
    return f"{'-' if value < 0 else '+'}{exponent}:{''.join(digits)}"
