"""Large payloads are compressed on their way into Temporal: reports repeat the same names a thousand times.

A history may hold 50 MB; reports make up most of it, and they shrink to a tenth. See docs/decisions/0008.
"""

import zlib
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

ENCODING = b"binary/zlib"
# Below this there is little to win.
MIN_BYTES = 4 * 1024
# More would cost more time than the server saves by writing less.
LEVEL = 1


class ZlibCodec(PayloadCodec):
    """Compresses payloads of some size; leaves alone what others wrote."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Compress what is worth it."""
        return [_compressed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decompress what was compressed."""
        return [_decompressed(payload) for payload in payloads]


def _compressed(payload: Payload) -> Payload:
    if payload.ByteSize() < MIN_BYTES:
        return payload
    data = zlib.compress(payload.SerializeToString(), LEVEL)
    return Payload(metadata={"encoding": ENCODING}, data=data)


def _decompressed(payload: Payload) -> Payload:
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    return Payload.FromString(zlib.decompress(payload.data))
