"""Links with which a client can put or get a single object without credentials until they expire.

Links to a file store lead to admin, which verifies an HMAC over version, verb, object, expiry and content hash. Links
to a cloud store are presigned by the store.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal
from urllib.parse import quote, urlencode

from flytetemporal.errors import PermissionDenied
from flytetemporal.storage.blobs import BlobStore

Verb = Literal["GET", "PUT"]
FILES_PATH = "/files"
# Part of what is signed: a link of another version of the scheme is refused.
_VERSION = "2"


class Signer:
    """Signs links, and verifies those of the file store."""

    def __init__(self, blobs: BlobStore, key: bytes, public_url: str) -> None:
        self._blobs = blobs
        self._key = key
        self._public_url = public_url.rstrip("/")

    async def link(self, verb: Verb, uri: str, lifetime: timedelta, md5: bytes = b"", *, only_new: bool = False) -> str:
        """Return a link to ``uri``.

        Args:
            verb: What the link permits.
            uri: The object.
            lifetime: How long the link is valid.
            md5: 16 raw bytes; the link accepts only this content. Empty: any content.
            only_new: The link refuses to overwrite an object, where the store can do that. Links of the file store
                never overwrite other content.
        """
        if not self._is_ours(uri):
            return await self._blobs.presign(verb, uri, lifetime, md5, only_new=only_new)
        path = uri.removeprefix(self._blobs.root + "/")
        parameters = {"version": _VERSION, "expires": str(int(time.time() + lifetime.total_seconds()))}
        if md5:
            parameters["md5"] = base64.urlsafe_b64encode(md5).decode().rstrip("=")
        parameters["signature"] = self._signature(verb, path, parameters)
        return f"{self._public_url}{FILES_PATH}/{quote(path)}?{urlencode(parameters)}"

    def headers(self, uri: str, md5: bytes, *, only_new: bool = False) -> dict[str, str]:
        """Return the headers that the uploader must send with the link."""
        encoded = base64.b64encode(md5).decode()
        if self._is_ours(uri):
            return {"Content-MD5": encoded} if md5 else {}
        condition = {"If-None-Match": "*"} if only_new and uri.startswith("s3://") else {}
        # Cloud stores sign both; uploaders put the real length in place of this one, as they do with Flyte.
        content = {"Content-MD5": encoded, "Content-Length": str(len(encoded))} if md5 else {}
        return {**content, **condition}

    def verify(self, verb: str, path: str, parameters: Mapping[str, str]) -> bytes:
        """Verify a link of the file store and return the MD5 of the content it accepts; empty if it accepts any.

        Raises:
            PermissionDenied: the signature does not match, or the link has expired.
        """
        signed = {key: value for key, value in parameters.items() if key in ("version", "expires", "md5")}
        # Constant time: the time of a comparison must not reveal how much of a forged signature is right.
        # As bytes: the function refuses texts that are not ASCII, and anybody can send one.
        given = parameters.get("signature", "").encode(errors="replace")
        is_signed = hmac.compare_digest(self._signature(verb, path, signed).encode(), given)
        # Stores that sign their own links need no key of ours, and anybody can sign with an empty one.
        if not is_signed or not self._key or not self._is_ours(self._blobs.root):
            raise PermissionDenied("the link is not signed for this; request a new one")
        if int(signed["expires"]) < time.time():
            raise PermissionDenied("the link has expired; request a new one")
        md5 = signed.get("md5", "")
        return base64.urlsafe_b64decode(md5 + "=" * (-len(md5) % 4))

    def _is_ours(self, uri: str) -> bool:
        return self._blobs.local_path(uri) is not None

    def _signature(self, verb: str, path: str, parameters: Mapping[str, str]) -> str:
        # JSON tells the fields from each other, whatever is in them: separators alone do not.
        fields = [_VERSION, parameters.get("version"), verb, path, parameters.get("expires"), parameters.get("md5")]
        return hmac.new(self._key, json.dumps(fields).encode(), hashlib.sha256).hexdigest()
