"""Secrets for tasks: those that a task requests, from the worker's environment or from files of its machine.

flytekit's ``current_context().secrets`` looks for the variable ``_FSEC_<GROUP>_<KEY>``, and for the file
``<group>/<key>``, in lower case, below ``FLYTE_SECRETS_DEFAULT_DIR``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flyteidl.core import security_pb2

from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected

ENV_PREFIX = "_FSEC_"
NOT_FOUND = "SecretNotFound"
Secret = security_pb2.Secret


@dataclass(frozen=True, slots=True)
class SecretStore:
    """The secrets of a worker: those in its own environment come before files below ``folder``."""

    folder: Path
    environment: Mapping[str, str]

    def deliver(self, wanted: Iterable[security_pb2.Secret], folder: Path, seen_at: str = "") -> dict[str, str]:
        """Write the secrets that are wanted as files below ``folder``, and return the variables for the task.

        Args:
            wanted: The secrets that the task requests.
            folder: Where files are written; it is made if there are any.
            seen_at: The path of ``folder`` as the task sees it, if that differs.

        Raises:
            Rejected: a secret does not exist, or it is binary and wanted as a variable.
        """
        secrets = list(wanted)
        if not secrets:
            return {}
        variables = {"FLYTE_SECRETS_ENV_PREFIX": ENV_PREFIX, "FLYTE_SECRETS_DEFAULT_DIR": seen_at or str(folder)}
        for secret in secrets:
            value = self._find(secret)
            text = _text(value)
            if secret.mount_requirement == Secret.FILE or (text is None and secret.mount_requirement == Secret.ANY):
                _write(folder.joinpath(*_parts(secret)), value)
                given = "/".join([seen_at or str(folder), *_parts(secret)])
            elif text is not None:
                given = variables[_variable(secret)] = text
            else:
                raise Rejected(BAD_SPECIFICATION, f"secret {_name(secret)} is not text; request it as a file")
            if secret.env_var:
                variables[secret.env_var] = given
        return variables

    def _find(self, secret: security_pb2.Secret) -> bytes:
        variable, path = _variable(secret), self.folder.joinpath(*_parts(secret))
        if variable in self.environment:
            return self.environment[variable].encode()
        try:
            return path.read_bytes()
        except OSError as e:
            raise Rejected(
                NOT_FOUND,
                f"the task requests secret {_name(secret)}, which this worker does not have; set {variable} in its "
                f"environment, or write the file {path}",
            ) from e


def _name(secret: security_pb2.Secret) -> str:
    return "/".join(_parts(secret))


def _parts(secret: security_pb2.Secret) -> list[str]:
    """Return the parts of the name, as those of a path that cannot leave the folder."""
    parts = [part.lower() for part in (secret.group, secret.group_version, secret.key) if part]
    if not parts or any(part in (".", "..") or "/" in part or "\0" in part for part in parts):
        raise Rejected(BAD_SPECIFICATION, f"[{'/'.join(parts)}] is not a valid name of a secret")
    return parts


def _variable(secret: security_pb2.Secret) -> str:
    return ENV_PREFIX + "_".join(part.upper() for part in _parts(secret))


def _text(value: bytes) -> str | None:
    """Return the value as the text of a variable, or None if no variable can hold it."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _write(path: Path, value: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # Before the content, so that no other user can read it in between.
    path.write_bytes(value)
