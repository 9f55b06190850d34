"""Read logs of attempts from admin's HTTP port, a part at a time."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from flytetemporal.cli.errors import CommandError

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 64 * 1024


def is_ours(uri: str) -> bool:
    """Whether a link of an attempt leads to a log that admin serves; others lead to pages of other systems."""
    parts = urllib.parse.urlsplit(uri)
    return parts.scheme in ("http", "https") and parts.path.startswith("/logs/")


class Log:
    """The log of one attempt, and how much of it has been read."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._read_bytes = 0

    def unread(self) -> Iterator[bytes]:
        """Yield what has been written since the last call; everything if the attempt has started again.

        Raises:
            CommandError: the server cannot be reached, or answers an error.
        """
        try:
            yield from self._from(self._read_bytes)
        except urllib.error.HTTPError as e:
            if e.code == 404:  # Nothing is stored yet; with a bucket as the store, the log is stored at the end.
                return
            if e.code != 416:
                raise CommandError(f"{self._uri} answers {e.code}: {_text_of(e)}") from e
            if _size_bytes(e) < self._read_bytes:
                self._read_bytes = 0
                yield from self.unread()
        except OSError as e:
            raise CommandError(f"cannot read {self._uri}: {getattr(e, 'reason', e)}") from e

    def _from(self, start: int) -> Iterator[bytes]:
        request = urllib.request.Request(self._uri, headers={"Range": f"bytes={start}-"})  # noqa: S310 - see is_ours
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - see is_ours
            while chunk := answer.read(CHUNK_BYTES):
                self._read_bytes += len(chunk)
                yield chunk


def _size_bytes(refusal: urllib.error.HTTPError) -> int:
    """Return the size of a log that is shorter than what was asked for: ``Content-Range: bytes */120``."""
    size = str(refusal.headers.get("Content-Range", "")).rpartition("/")[2]
    return int(size) if size.isdecimal() else 0


def _text_of(refusal: urllib.error.HTTPError) -> str:
    return refusal.read(500).decode(errors="replace").strip()
