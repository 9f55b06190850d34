"""Check that a webhook was sent by who has the key, and just now.

Headers and signature are those of the specification Standard Webhooks (standardwebhooks.com): the signature is an
HMAC-SHA256 of id, timestamp and body.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flytetemporal.errors import Unauthenticated

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_SECONDS = re.compile(r"[0-9]{1,11}")
_VERSION = "v1"
_HOW = "sign the request as standardwebhooks.com describes"
# A sender signs with several keys while it replaces one.
MOST_SIGNATURES = 10


@dataclass(frozen=True, slots=True)
class Signed:
    """What the headers of a webhook say."""

    delivery: str
    seconds: str
    signatures: tuple[str, ...]

    @property
    def sent_at(self) -> datetime:
        """The time at which it was sent."""
        return datetime.fromtimestamp(int(self.seconds), UTC)


def read(headers: Mapping[str, str]) -> Signed:
    """Return what the headers say. Raises ``Unauthenticated`` if one is missing or malformed."""
    delivery, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    signatures = tuple(headers.get(SIGNATURE, "").split()[:MOST_SIGNATURES])
    if not _ID.fullmatch(delivery):
        raise Unauthenticated(f"header {ID} is missing or malformed; {_HOW}")
    if not _SECONDS.fullmatch(seconds):
        raise Unauthenticated(f"header {TIMESTAMP} is missing or is no Unix time in seconds")
    if not signatures:
        raise Unauthenticated(f"header {SIGNATURE} is missing; {_HOW}")
    return Signed(delivery, seconds, signatures)


def check(signed: Signed, body: bytes, key: bytes, max_age: timedelta) -> None:
    """Refuse a webhook that is not signed with the key, or not sent just now. Raises ``Unauthenticated``."""
    expected = f"{_VERSION},{signature(signed.delivery, signed.seconds, body, key)}".encode()
    # Every signature is compared, and in constant time, so that the answer's delay says nothing about the right one.
    matches = [hmac.compare_digest(expected, given.encode()) for given in signed.signatures]
    if not any(matches):
        raise Unauthenticated(f"no signature in header {SIGNATURE} is that of this id, timestamp and body")
    if abs(datetime.now(UTC) - signed.sent_at) > max_age:
        raise Unauthenticated(
            f"the webhook was sent at {signed.sent_at:%Y-%m-%dT%H:%M:%SZ}, which is more than "
            f"{max_age.total_seconds():g} s from now; sign it again"
        )


def signature(delivery: str, seconds: str, body: bytes, key: bytes) -> str:
    """Return the signature of a webhook, in base64."""
    signed = f"{delivery}.{seconds}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
