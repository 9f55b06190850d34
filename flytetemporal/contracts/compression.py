"""Compress large payloads on their way into Temporal.

A history is limited to 50 MB. Most of it are reports of events, which repeat the same names many times and shrink to a
tenth. See docs/decisions/0008.
"""

import zlib
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from flytetemporal.contracts import packing

ENCODING = b"binary/zlib"
# Smaller payloads gain too little.
MIN_BYTES = 4 * 1024
# Higher levels take more time than the server saves by writing less.
LEVEL = 1


class ZlibCodec(PayloadCodec):
    """Codec that compresses payloads of ``MIN_BYTES`` or more and passes on payloads that it did not compress."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Compress the large payloads."""
        return [compressed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decompress the payloads that ``encode`` compressed."""
        return [decompressed(payload) for payload in payloads]


def compressed(payload: Payload) -> Payload:
    """Return the payload, compressed if it is large."""
    if payload.ByteSize() < MIN_BYTES:
        return payload
    data = zlib.compress(payload.SerializeToString(), LEVEL)
    return Payload(metadata={"encoding": ENCODING}, data=data)


def decompressed(payload: Payload) -> Payload:
    """Return what ``compressed`` was given; another payload is returned as it is.

    Raises:
        ValueTooLarge: it has more than ``packing.MAX_BYTES``.
        ValueError: it is damaged.
    """
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    return Payload.FromString(packing.inflate(payload.data))
