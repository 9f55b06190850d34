"""The Kubernetes secrets of a task in its pod: variables and files where flytekit looks for them. Pure.

Places and names are those of Flyte's webhook (flytepropeller's pkg/webhook/k8s_secrets.go). A pod that is made here
needs no webhook.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from flyteidl.core import security_pb2

from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected

NOT_FOUND = "SecretNotFound"
FOLDER = "/etc/flyte/secrets"
PREFIX = "_FSEC_"
_TO_FLYTE = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz123456")
_VOLUME_CHARACTERS = 63


@dataclass(slots=True)
class PodSecrets:
    """The volumes of a pod, and the mounts and variables of all its containers."""

    volumes: dict[str, Json] = field(default_factory=dict)
    mounts: dict[str, Json] = field(default_factory=dict)
    variables: dict[str, Json] = field(default_factory=dict)

    def add_to(self, spec: Json) -> None:
        """Add the secrets to every container and init container of a pod."""
        if not self.variables:
            return
        if self.volumes:
            spec["volumes"] = [*(spec.get("volumes") or ()), *self.volumes.values()]
        for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
            container["env"] = [*(container.get("env") or ()), *self.variables.values()]
            if self.mounts:
                container["volumeMounts"] = [*(container.get("volumeMounts") or ()), *self.mounts.values()]

    def set(self, name: str, value: Json) -> None:
        """Set a variable of all containers."""
        self.variables[name] = {"name": name, **value}


def laid_out(wanted: Iterable[security_pb2.Secret]) -> PodSecrets:
    """Return the secrets that a task requests, laid out as by Flyte's webhook.

    Raises:
        Rejected: a secret has no group or no key.
    """
    found = PodSecrets()
    for secret in wanted:
        if not secret.group or not secret.key:
            text = f"secret [{secret.group}/{secret.key}] needs a group, the name of the Secret, and a key in it"
            raise Rejected(BAD_SPECIFICATION, text)
        if secret.mount_requirement == security_pb2.Secret.ENV_VAR:
            _add_variable(found, secret)
        else:
            _add_file(found, secret)
    return found


def keys(wanted: Iterable[security_pb2.Secret]) -> dict[str, set[str]]:
    """Return the keys that a task requests, by the names of their Secrets."""
    found: dict[str, set[str]] = {}
    for secret in wanted:
        found.setdefault(secret.group, set()).add(secret.key)
    return found


def missing(namespace: str, group: str, absent: Iterable[str]) -> Rejected:
    """Return the error of a task that requests keys which a Secret lacks, or a Secret that does not exist."""
    names = ", ".join(f"{group}/{key}" for key in sorted(absent))
    text = (
        f"the task requests secret {names}, which does not exist: create Secret [{group}] with that key in namespace "
        f"[{namespace}]"
    )
    return Rejected(NOT_FOUND, text)


def _add_variable(found: PodSecrets, secret: security_pb2.Secret) -> None:
    source: Json = {"valueFrom": {"secretKeyRef": {"name": secret.group, "key": secret.key, "optional": True}}}
    found.set("FLYTE_SECRETS_ENV_PREFIX", {"value": PREFIX})
    found.set(f"{PREFIX}{secret.group.upper()}_{secret.key.upper()}", source)
    if secret.env_var:
        found.set(secret.env_var, source)


def _add_file(found: PodSecrets, secret: security_pb2.Secret) -> None:
    name = _volume_name(secret.group + secret.group_version)
    folder = f"{FOLDER}/{secret.group.lower()}"
    source: Json = {"secretName": secret.group, "items": [], "optional": True}
    items = found.volumes.setdefault(name, {"name": name, "secret": source})["secret"]["items"]
    item = {"key": secret.key, "path": secret.key.lower()}
    if item not in items:
        items.append(item)
    found.mounts[name] = {"name": name, "mountPath": folder, "readOnly": True}
    found.set("FLYTE_SECRETS_DEFAULT_DIR", {"value": FOLDER})
    found.set("FLYTE_SECRETS_FILE_PREFIX", {"value": ""})
    if secret.env_var:
        found.set(secret.env_var, {"value": f"{folder}/{secret.key.lower()}"})


def _volume_name(group: str) -> str:
    name = base64.b32encode(group.encode()).decode().rstrip("=").translate(_TO_FLYTE)
    # The name of a Secret can be longer than that of a volume.
    return name if len(name) <= _VOLUME_CHARACTERS else f"s{hashlib.sha256(group.encode()).hexdigest()[:40]}"
