"""Which attempts can be forks of the same warm parent. Pure, except that a local distribution is looked at."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flytetemporal.plugins.process import bundles, entrypoints
from flytetemporal.plugins.process.messages import Launch

VARIABLE = "FLYTETEMPORAL_WARM"
"""A task, launch plan, execution or project that sets this to one of ``_OFF`` shares no imported code."""
_OFF = ("0", "false", "no", "off")
_DEFAULT_RESOLVER = "flytekit.core.python_auto_container.default_task_resolver"
_RESOLVERS = (
    _DEFAULT_RESOLVER,
    "flytekit.core.array_node_map_task.ArrayNodeMapTaskResolver",
    "flytekit.core.legacy_map_task.MapTaskResolver",
)
# These differ between attempts of the same code.
_OF_ATTEMPT = (
    "FLYTE_INTERNAL_EXECUTION_ID",
    "FLYTE_INTERNAL_EXECUTION_WORKFLOW",
    "FLYTE_INTERNAL_TASK_NAME",
    "FLYTE_ATTEMPT_NUMBER",
    "FLYTE_EXECUTION_URL",
    "FLYTE_K8S_ARRAY_INDEX",
    "BATCH_JOB_ARRAY_INDEX_OFFSET",
    "BATCH_JOB_ARRAY_INDEX_VAR_NAME",
    "TMPDIR",
)


@dataclass(frozen=True, slots=True)
class Key:
    """What the state of a process depends on that has imported the code of a task."""

    module: str
    distribution: str
    """The key of the bundle, or an empty text."""
    environment: frozenset[tuple[str, str]]
    """Without the variables of the attempt."""
    memory_bytes: int


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether a task with this environment may be a fork of a process that has imported its code."""
    return environment.get(VARIABLE, "").strip().lower() not in _OFF


def of(launch: Launch) -> Key | None:
    """Return the key of an attempt, or None if its code is found in a way that only flytekit knows."""
    command = launch.command
    module = module_of(command)
    if not module:
        return None
    distribution = ""
    with contextlib.suppress(OSError):
        distribution = bundles.key(uri) if (uri := _option(command, "--additional-distribution")) else ""
        names = of_attempt(launch)
        environment = frozenset(item for item in launch.environment.items() if item[0] not in names)
        return Key(module, distribution, environment, launch.memory_bytes)
    return None


def module_of(command: Sequence[str]) -> str:
    """Return the module that flytekit's default resolver imports, or an empty text."""
    if not entrypoints.is_entrypoint(command) or _DEFAULT_RESOLVER not in command:
        return ""
    if _option(command, "--resolver") not in _RESOLVERS:
        return ""
    return _option(command, "task-module")


def of_attempt(launch: Launch) -> frozenset[str]:
    """Return the names of the variables that belong to this attempt alone."""
    folder = os.path.dirname(launch.directory)
    return frozenset(_OF_ATTEMPT).union(name for name, value in launch.environment.items() if folder in value)


def _option(command: Sequence[str], name: str) -> str:
    """Return the argument that follows the first ``name``."""
    try:
        return command[command.index(name) + 1]
    except (ValueError, IndexError):
        return ""
