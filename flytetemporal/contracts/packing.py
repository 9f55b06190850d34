"""Decode packed values within bounds: what comes from a file or a task can claim to be of any size."""

import zlib
from collections.abc import Callable

import msgpack

from flytetemporal.errors import ValueTooLarge

MSGPACK = "msgpack"
# The largest graph or state that a run can have is a fraction of this.
MAX_BYTES = 64 * 1024 * 1024

# msgpack ships no type hints; these declarations stand in for them.
decode: Callable[..., object] = msgpack.loads
encode: Callable[..., bytes] = msgpack.dumps


def gunzip(data: bytes, limit_bytes: int = MAX_BYTES) -> bytes:
    """Return what was gzipped.

    Raises:
        ValueTooLarge: it has more than ``limit_bytes``.
        ValueError: the data is not gzipped, or is cut.
    """
    return _inflate(data, zlib.MAX_WBITS | 16, limit_bytes)


def inflate(data: bytes, limit_bytes: int = MAX_BYTES) -> bytes:
    """Return what was compressed with zlib; raises as ``gunzip`` does."""
    return _inflate(data, zlib.MAX_WBITS, limit_bytes)


def _inflate(data: bytes, window_bits: int, limit_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(window_bits)
    try:
        found = decompressor.decompress(data, limit_bytes + 1)
    except zlib.error as e:
        raise ValueError(f"the data is not compressed as it says: {e}") from e
    if len(found) > limit_bytes:
        raise ValueTooLarge(f"compressed data has more than {limit_bytes} bytes")
    if not decompressor.eof:
        raise ValueError("compressed data is cut")
    return found
