"""Stored messages that are named after the hash of their bytes."""

import gzip
import hashlib
from collections.abc import Callable

from google.protobuf.message import Message

from flytetemporal.contracts.v1 import execution_pb2


def refer(data: bytes, uri_of: Callable[[str], str]) -> execution_pb2.ContentReference:
    """Return the reference to ``data``; ``uri_of`` makes a URI of its SHA-256 in hexadecimal."""
    sha256 = hashlib.sha256(data).hexdigest()
    return execution_pb2.ContentReference(uri=uri_of(sha256), sha256=sha256, size_bytes=len(data))


def pack(message: Message, uri_of: Callable[[str], str]) -> tuple[execution_pb2.ContentReference, bytes]:
    """Return the reference to a message and its gzipped bytes, which are the same for equal messages."""
    data = gzip.compress(message.SerializeToString(deterministic=True), compresslevel=6, mtime=0)
    return refer(data, uri_of), data
