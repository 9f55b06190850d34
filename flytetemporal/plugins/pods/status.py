"""The phase of an attempt whose pod has a certain status. Pure: callers pass the time.

The tables mirror flyteplugins' tasks/plugins/k8s/pod/plugin.go and pluginmachinery/flytek8s/pod_helper.go, with one
correction: a pod that has failed because its program ended with an exit code is a failure of the user, whether or not
the pod has been seen before its end. In Flyte it depends on that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flytetemporal.config.pods import PodSettings
from flytetemporal.idl import times
from flytetemporal.plugins.pod_targets import PRIMARY, Json
from flytetemporal.plugins.protocol import OUT_OF_MEMORY, ErrorKind, PhaseInfo, TaskPhase, failed, succeeded

INTERRUPTED = "Interrupted"
DELETED = "ResourceDeletedExternally"
BEING_DELETED = "UnexpectedObjectDeletion"
_UNKNOWN = "UnknownError"
_KILLED = (137, 247)
_OF_THE_NODE = ("Shutdown", "Terminated", "NodeShutdown", "NodeAffinity")
_STARTING = ("ErrImagePull", "ContainerCreating", "PodInitializing")
_GROUPS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, slots=True)
class Reading:
    """A phase, and after how many seconds it changes even if the pod does not; None: never."""

    info: PhaseInfo
    recheck: float | None = None


def read(pod: Json, settings: PodSettings, now: datetime) -> Reading:
    """Return the phase of the attempt of a pod that exists."""
    status = pod.get("status") or {}
    match status.get("phase", "Pending"):
        case "Succeeded":
            return _terminal(pod, Reading(_ended_well(status)))
        case "Failed":
            return Reading(_failed(pod, status))
        case "Pending":
            return _terminal(pod, _within_limit(pod, _pending(status, settings, now), settings, now))
        case "Unschedulable":
            return _terminal(pod, Reading(PhaseInfo(TaskPhase.QUEUED, reason="Unschedulable")))
        case _:
            return _terminal(pod, Reading(_running(pod, status)))


def deleted(pod: Json) -> PhaseInfo:
    """Return the last phase of an attempt whose pod has disappeared."""
    metadata = pod["metadata"]
    text = f"pod [{metadata['name']}] in namespace [{metadata['namespace']}] was deleted, but not by a worker"
    return failed(DELETED, f"{text}{_disruption(pod)}", ErrorKind.SYSTEM, recoverable=True)


def has_ended(pod: Json) -> bool:
    """Whether nothing of a pod runs any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _terminal(pod: Json, reading: Reading) -> Reading:
    """Return the reading, unless somebody is deleting the pod before its end."""
    if reading.info.is_terminal or "deletionTimestamp" not in pod["metadata"]:
        return reading
    name = pod["metadata"]["name"]
    text = f"pod [{name}] is being deleted, but not by a worker{_disruption(pod)}"
    return Reading(failed(BEING_DELETED, text, ErrorKind.SYSTEM, recoverable=True))


def _disruption(pod: Json) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return f": {condition.get('reason', '')} {condition.get('message', '')}".rstrip()
    return ""


def _within_limit(pod: Json, reading: Reading, settings: PodSettings, now: datetime) -> Reading:
    limit = settings.pod_pending_timeout
    if reading.info.is_terminal or not limit:
        return reading
    left = limit - (now - _time(pod["metadata"].get("creationTimestamp"), now))
    if left > timedelta(0):
        return Reading(reading.info, _sooner(reading.recheck, left.total_seconds()))
    text = f"the pod was pending for more than {times.go_text(limit)}: {reading.info.reason}"
    return Reading(failed("PodPendingTimeout", text, ErrorKind.USER, recoverable=True))


def _pending(status: Json, settings: PodSettings, now: datetime) -> Reading:
    for condition in status.get("conditions") or ():
        if condition.get("status") != "False":
            continue
        if condition.get("type") == "PodScheduled":
            text = f"{condition.get('reason', '')}:{condition.get('message', '')}"
            return Reading(PhaseInfo(TaskPhase.QUEUED, reason=text))
        if condition.get("type") == "Ready":
            found = _not_ready(status, condition, settings, now)
            if found is not None:
                return found
    return Reading(PhaseInfo(TaskPhase.QUEUED, reason="task submitted to K8s"))


def _not_ready(status: Json, condition: Json, settings: PodSettings, now: datetime) -> Reading | None:
    waiting = next((w for w in _waiting(status.get("containerStatuses") or ())), None)
    if waiting is None:
        return None
    reason = waiting.get("reason", "")
    code = f"{condition.get('reason', '')}|{reason}"
    text = f"{condition.get('message', '')}|{waiting.get('message', '')}"
    starting = PhaseInfo(TaskPhase.INITIALIZING, reason=f"[{code}]: {text}")
    if reason in _STARTING:
        return Reading(starting)
    if reason == "InvalidImageName":
        return Reading(failed(code, text, ErrorKind.USER, recoverable=False))
    graces = {
        "CreateContainerError": (settings.create_container_error_grace_period, False),
        "CreateContainerConfigError": (settings.create_container_config_error_grace_period, False),
        "ImagePullBackOff": (settings.image_pull_backoff_grace_period, True),
    }
    if reason not in graces:
        return Reading(failed(code, text, ErrorKind.SYSTEM, recoverable=True))
    grace, recoverable = graces[reason]
    left = grace - (now - _time(condition.get("lastTransitionTime"), now))
    if left > timedelta(0):
        return Reading(starting, left.total_seconds())
    note = f"the grace period of {times.go_text(grace)} is over: " if grace else ""
    return Reading(failed(code, f"{note}{text}", ErrorKind.USER, recoverable=recoverable))


def _waiting(statuses: Iterable[Json]) -> Iterator[Json]:
    """Yield the state of the first container that is not ready, if it waits."""
    for one in statuses:
        if not one.get("ready"):
            waiting = (one.get("state") or {}).get("waiting")
            if waiting is not None:
                yield waiting
            return


def _ended_well(status: Json) -> PhaseInfo:
    for name, end in _ends(status):
        if OUT_OF_MEMORY in end.get("reason", ""):
            return failed(OUT_OF_MEMORY, _end_text(name, end), ErrorKind.USER, recoverable=True)
    return succeeded()


def _running(pod: Json, status: Json) -> PhaseInfo:
    primary = (pod["metadata"].get("annotations") or {}).get(PRIMARY, "")
    if primary:
        return _primary(pod, status, primary)
    everyone = [one for group in _GROUPS[:2] for one in status.get(group) or ()]
    ends = [(one.get("state") or {}).get("terminated") for one in everyone]
    if ends and all(end is not None and end.get("exitCode") == 0 for end in ends):
        return _ended_well(status)
    return PhaseInfo(TaskPhase.RUNNING)


def _primary(pod: Json, status: Json, primary: str) -> PhaseInfo:
    found = next((one for one in status.get("containerStatuses") or () if one.get("name") == primary), None)
    if found is None:
        if any(one.get("name") == primary for one in pod["spec"]["containers"]):
            return PhaseInfo(TaskPhase.RUNNING)
        text = f"the pod has no primary container [{primary}]"
        return failed("PrimaryContainerNotFound", text, ErrorKind.USER, recoverable=False)
    end = (found.get("state") or {}).get("terminated")
    return PhaseInfo(TaskPhase.RUNNING) if end is None else _ended(primary, end)


def _ended(name: str, end: Json) -> PhaseInfo:
    """Return the phase of a pod whose primary container has ended."""
    reason, code = end.get("reason") or "Error", end.get("exitCode", 0)
    if OUT_OF_MEMORY in reason:
        return failed(OUT_OF_MEMORY, _end_text(name, end), ErrorKind.USER, recoverable=True)
    if code == 0:
        return succeeded()
    kind = ErrorKind.SYSTEM if code in _KILLED else ErrorKind.USER
    return failed(reason, _end_text(name, end), kind, recoverable=True)


def _failed(pod: Json, status: Json) -> PhaseInfo:
    code, is_system = status.get("reason") or _UNKNOWN, status.get("reason") in _OF_THE_NODE
    texts = [status.get("message") or f"Pod failed. No message received from kubernetes.{_disruption(pod)}"]
    primary = _primary_name(pod)
    for name, end in _ends(status):
        if OUT_OF_MEMORY in end.get("reason", ""):
            code = OUT_OF_MEMORY
        elif end.get("exitCode") in _KILLED:
            code = INTERRUPTED
            is_system = is_system or name == primary
        texts.append(_end_text(name, end))
    own = next((end for name, end in _ends(status) if name == primary), {})
    if code == _UNKNOWN and own.get("exitCode") and not _disruption(pod):
        code = own.get("reason") or "Error"
    message = "".join(texts)
    if is_system or code == _UNKNOWN:
        return failed(INTERRUPTED, message, ErrorKind.SYSTEM, recoverable=True)
    return failed(code, message, ErrorKind.USER, recoverable=True)


def _primary_name(pod: Json) -> str:
    containers = pod["spec"]["containers"]
    named = (pod["metadata"].get("annotations") or {}).get(PRIMARY, "")
    return str(named or (containers[0]["name"] if len(containers) == 1 else ""))


def _ends(status: Json) -> Iterator[tuple[str, Json]]:
    """Yield the names of containers that have ended, and how."""
    for group in _GROUPS:
        for one in status.get(group) or ():
            last, now = (one.get("lastState") or {}).get("terminated"), (one.get("state") or {}).get("terminated")
            end: Json = last or now or {}
            if end:
                yield one.get("name", ""), end


def _end_text(name: str, end: Json) -> str:
    exit_code, reason, message = end.get("exitCode"), end.get("reason", ""), end.get("message", "")
    return f"\r\n[{name}] terminated with exit code ({exit_code}). Reason [{reason}]. Message: \n{message}."


def _sooner(first: float | None, second: float) -> float:
    return second if first is None else min(first, second)


def _time(text: Any, default: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return default
