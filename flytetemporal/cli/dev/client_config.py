"""The default configuration file of pyflyte and flytectl, ``~/.flyte/config.yaml``.

Only the keys that point at the stack are set; the user's other keys stay. A file that pointed elsewhere, or that has
comments, is backed up first.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from flytetemporal.cli.errors import CommandError

_LOCAL_ENDPOINT = "dns:///localhost:"


def default_path() -> Path:
    """Return the path that clients read by default."""
    return Path.home() / ".flyte" / "config.yaml"


def settings(grpc_port: int, http_port: int, *, sign_in: bool = False) -> dict[str, dict[str, Any]]:
    """Return the keys that point a client at the stack."""
    auth = {"authType": "Pkce"} if sign_in else {}
    return {
        "admin": {"endpoint": f"{_LOCAL_ENDPOINT}{grpc_port}", "insecure": True, **auth},
        "console": {"endpoint": f"http://localhost:{http_port}"},
    }


def write(path: Path, wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a file with the wanted keys only."""
    path.write_text(yaml.safe_dump(dict(wanted), sort_keys=False))


def merge(path: Path, wanted: Mapping[str, Mapping[str, Any]]) -> str:
    """Set the wanted keys in the user's file; return a line for the user that says what was done.

    Raises:
        CommandError: the file is not a YAML mapping, or cannot be written.
    """
    existing = _read(path)
    merged = {**existing, **{section: {**_section(existing, section), **keys} for section, keys in wanted.items()}}
    if merged == existing:
        return f"{path} already points here"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        backup = None if _is_ours(path, existing) else _back_up(path)
        scratch = path.with_suffix(".new")
        scratch.write_text(yaml.safe_dump(merged, sort_keys=False))
        scratch.replace(path)
    except OSError as e:
        raise CommandError(f"cannot write {path}: {e.strerror}; pass --no-write-config") from e
    if backup is None:
        return f"pointed {path} here"
    return f"pointed {path} here, kept its other keys; the old file is now {backup.name}"


def overruled_by() -> str | None:
    """Return the variable or file that makes clients ignore the default path; None if there is none."""
    variable = "FLYTECTL_CONFIG"
    if os.environ.get(variable):
        return f"{variable}={os.environ[variable]}"
    for other in (Path("flytekit.config"), Path.home() / ".flyte" / "config"):
        if other.exists():
            return str(other.absolute())
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text()) if path.exists() else None
    except (OSError, yaml.YAMLError) as e:
        raise CommandError(f"cannot read {path}: {str(e).splitlines()[0]}; fix it, or pass --no-write-config") from e
    if content is not None and not isinstance(content, dict):
        raise CommandError(f"{path} is not a mapping of sections: fix it, or pass --no-write-config")
    return content or {}


def _section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = content.get(name)
    return dict(section) if isinstance(section, dict) else {}


def _is_ours(path: Path, existing: Mapping[str, Any]) -> bool:
    """Whether the file can be overwritten without a loss: it is missing, or is as we wrote it for another stack."""
    if not path.exists():
        return True
    endpoint = str(_section(existing, "admin").get("endpoint", ""))
    return endpoint.startswith(_LOCAL_ENDPOINT) and path.read_text() == yaml.safe_dump(existing, sort_keys=False)


def _back_up(path: Path) -> Path:
    backup = path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}.bak")
    backup.write_bytes(path.read_bytes())
    return backup
