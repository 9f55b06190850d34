"""The arguments that create the container of an attempt: its name, its options, its command. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from flytetemporal.plugins.protocol import TaskContext

LEASE_LABEL = "io.flytetemporal.lease"
WORK_DIR_LABEL = "io.flytetemporal.work-dir"
ATTEMPT_LABEL = "io.flytetemporal.attempt"
_NAME_CHARACTERS = 60
_LEAST_CPUS = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine, and its path in the container."""

    source: Path
    target: str
    read_only: bool = False

    def __str__(self) -> str:
        """Return the value of ``--mount``, which is a line of CSV."""
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        return ",".join(_quoted(field) for field in [*fields, *(["readonly"] if self.read_only else [])])


@dataclass(frozen=True, slots=True)
class Request:
    """The properties of the container of an attempt, except for its image and command."""

    labels: Mapping[str, str]
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    hidden: Iterable[str]
    """Variables whose values the engine takes from its own environment, since every user can read command lines."""
    memory_bytes: int
    """0: no limit."""
    cpus: Decimal
    """0: no limit."""
    options: Sequence[str]


def container_name(attempt: str, key: str) -> str:
    """Return the name of an attempt's container: readable by the generated name, unique by the hash of the key."""
    readable = re.sub(r"[^a-zA-Z0-9_.-]+", "-", attempt).strip("-._")[:_NAME_CHARACTERS]
    return f"flyte-{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def create(context: TaskContext, request: Request) -> list[str]:
    """Return the arguments of ``create``.

    As in a pod, the task's command replaces the image's entry point and its arguments the image's command.
    """
    command, arguments = _parts(context)
    entry, rest = command[:1], [*command[1:], *arguments]
    limits = []
    if request.memory_bytes:
        limits += ["--memory", str(request.memory_bytes)]
    if request.cpus:
        limits += ["--cpus", str(max(request.cpus, _LEAST_CPUS).quantize(_LEAST_CPUS, ROUND_HALF_UP))]
    return [
        *("--name", container_name(context.name, context.key), "--log-driver", "none"),
        *(part for name, value in sorted(request.labels.items()) for part in ("--label", f"{name}={value}")),
        *(part for mount in request.mounts for part in ("--mount", str(mount))),
        *(part for name, value in sorted(request.environment.items()) for part in ("--env", f"{name}={value}")),
        *(part for name in sorted(request.hidden) for part in ("--env", name)),
        *limits,
        *request.options,
        *(part for program in entry for part in ("--entrypoint", program)),
        *(context.image, *rest),
    ]


def _parts(context: TaskContext) -> tuple[Sequence[str], Sequence[str]]:
    count = len(context.template.container.command)
    return context.command[:count], context.command[count:]


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if "," in field or '"' in field else field
