"""Signatures of requests, as the specification of Standard Webhooks defines them (https://www.standardwebhooks.com).

Receivers check them with any library for that specification.
"""

import base64
import hashlib
import hmac
from datetime import datetime

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def headers(key: bytes, identifier: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that sign a request. ``at`` is the time of the attempt: receivers refuse old ones."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((identifier.encode(), timestamp.encode(), body))
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {ID: identifier, TIMESTAMP: timestamp, SIGNATURE: f"v1,{digest}"}
