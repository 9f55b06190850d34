"""Addresses of objects: which of them belong to the store, and what opens them. The only door to fsspec.

Absolute paths, ``file://``, ``s3://`` and ``gs://`` work; errors of the store's libraries become ours here.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec

from flytetemporal.errors import FlyteError, InvalidRequest
from flytetemporal.storage import failures

# By default botocore makes up to five tries of 60 s each, and presigns links in version 2, which leaves out headers.
S3_CONFIG = {
    "connect_timeout": 10,
    "read_timeout": 30,
    "retries": {"max_attempts": 2},
    "signature_version": "s3v4",
}
# Of Linux; S3 and GCS have 1,024.
_MAX_URI_BYTES = 4095


class Addresses:
    """The addresses of one store. Its arguments are those of ``BlobStore``."""

    def __init__(self, root: str, options: Mapping[str, Any] | None, confined_to: Sequence[str] | None) -> None:
        self.root = root.rstrip("/")
        self._options = dict(options or {})
        self._prefixes = None if confined_to is None else [self.root, *(p.rstrip("/") for p in confined_to if p)]
        self._scheme = root.split("://", 1)[0]

    def check(self, uri: str) -> None:
        """Check a URI, parts of which can come from clients and tasks: it must not lead out of the store.

        Raises:
            InvalidRequest: it does, or nothing can have this address.
        """
        if ".." in uri.split("/") or "\0" in uri:
            raise InvalidRequest(f"invalid address [{uri}]: it must not contain '..' or NUL")
        # Files are opened folder by folder, so the kernel does not refuse what other programs cannot open.
        if len(uri.encode()) > _MAX_URI_BYTES:
            raise InvalidRequest(f"invalid address [{uri[:100]}...]: it has more than {_MAX_URI_BYTES} bytes")
        if self._prefixes is not None and not any(is_below(uri, prefix) for prefix in self._prefixes):
            raise InvalidRequest(
                f"address [{uri}] is outside of the object store [{self.root}] and of "
                "FLYTETEMPORAL_STORAGE__READABLE_PREFIXES"
            )

    def local_root(self, path: Path) -> Path:
        """Return the folder below which links on the way to ``path`` are not followed."""
        for prefix in self._prefixes or [self.root]:
            root = local_path(prefix)
            if root is not None and path.is_relative_to(root):
                return root
        return path.parent

    def filesystem(self, uri: str) -> Any:
        """Return fsspec's file system for a URI. Raises ``InvalidRequest`` if its scheme is none of ours."""
        scheme = uri.split("://", 1)[0] if "://" in uri else ""
        if scheme not in ("s3", "gs", "gcs", "memory"):
            raise InvalidRequest(f"the object store cannot read [{uri}]: use an absolute path, file://, s3:// or gs://")
        options = self._options if scheme == self._scheme else {}
        if scheme == "s3":
            options = {**options, "config_kwargs": {**S3_CONFIG, **options.get("config_kwargs", {})}}
        return fsspec.filesystem(scheme, **options)

    @contextlib.contextmanager
    def translated(self, uri: str) -> Iterator[None]:
        """Check ``uri``, and raise the errors of the store's libraries as ours while the block runs."""
        self.check(uri)
        try:
            yield
        except FlyteError:
            raise
        except Exception as e:
            meaning = failures.translated(e, uri)
            if meaning is None:
                raise
            raise meaning from e


def local_path(uri: str) -> Path | None:
    """Return the path of an absolute path or ``file://`` URI, None for URIs of other stores."""
    return Path(uri.removeprefix("file://")) if uri.startswith(("file://", "/")) else None


def is_below(uri: str, prefix: str) -> bool:
    """Whether a URI is below another one, without ``..`` in its path."""
    # flytekit writes file URIs as plain paths.
    root, path = prefix.removeprefix("file://"), uri.removeprefix("file://")
    return path.startswith(root + "/") and ".." not in path.split("/")
