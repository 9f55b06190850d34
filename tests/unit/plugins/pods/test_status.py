"""The tables of pod statuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flytetemporal.config.pods import PodSettings
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import status
from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, TaskPhase

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAIN = {"name": "main"}


def pod(pod_status: Json, *, primary: bool = True, containers: Any = (MAIN,), **metadata: Any) -> Json:
    annotations = {"primary_container_name": "main"} if primary else {}
    named = {"name": "x", "namespace": "ns", "annotations": annotations, **metadata}
    return {"metadata": named, "spec": {"containers": list(containers)}, "status": pod_status}


def seen(found: Json, **settings: Any) -> tuple[str, str, str, bool]:
    """Return phase, code or reason, kind and whether it is recoverable."""
    return described(status.read(found, PodSettings(**settings), NOW).info)


def described(info: PhaseInfo) -> tuple[str, str, str, bool]:
    phase = TaskPhase.Phase.Name(info.phase)
    if info.error is None:
        return phase, info.reason, "", info.recoverable
    return phase, info.error.code, ErrorKind.ErrorKind.Name(info.error.kind), info.recoverable


def end(code: int, reason: str = "Error", name: str = "main", message: str = "") -> Json:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}


def ended(*containers: Json, phase: str = "Running", **fields: Any) -> Json:
    return {"phase": phase, "containerStatuses": list(containers), **fields}


def waiting(reason: str, message: str = "why", since: timedelta = timedelta(0), **fields: Any) -> Json:
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "not ready",
        "lastTransitionTime": (NOW - since).isoformat(),
    }
    state = {"name": "main", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}}
    return {"phase": "Pending", "conditions": [condition], "containerStatuses": [state], **fields}


SUCCEEDED = ("SUCCEEDED", "", "", False)
RUNNING = ("RUNNING", "", "", False)
INTERRUPTED = ("FAILED", "Interrupted", "SYSTEM", True)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ended(end(0), phase="Succeeded"), SUCCEEDED),
        (ended(end(0), end(0, "OOMKilled", "side"), phase="Succeeded"), ("FAILED", "OOMKilled", "USER", True)),
        (ended(end(0)), SUCCEEDED),
        (ended(end(0), {"name": "side", "state": {"running": {}}}), SUCCEEDED),
        (ended({"name": "main", "state": {"running": {}}}, end(1, name="side")), RUNNING),
        (ended({"name": "main", "state": {"waiting": {}}}), RUNNING),
        (ended(), RUNNING),
        (ended(end(1, "Error")), ("FAILED", "Error", "USER", True)),
        (ended(end(2, "ContainerCannotRun")), ("FAILED", "ContainerCannotRun", "USER", True)),
        (ended(end(137, "Error")), ("FAILED", "Error", "SYSTEM", True)),
        (ended(end(247, "Error")), ("FAILED", "Error", "SYSTEM", True)),
        (ended(end(137, "OOMKilled")), ("FAILED", "OOMKilled", "USER", True)),
        ({"phase": "Unknown"}, RUNNING),
        ({"phase": "Unschedulable"}, ("QUEUED", "Unschedulable", "", False)),
        ({}, ("QUEUED", "task submitted to K8s", "", False)),
    ],
)
def test_a_pod_ends_with_its_primary_container(found: Json, expected: tuple[str, str, str, bool]) -> None:
    assert seen(pod(found)) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ended(end(0), end(0, name="side")), SUCCEEDED),
        (ended(end(0), {"name": "side", "state": {"running": {}}}), RUNNING),
        (ended(end(1), {"name": "side", "state": {"running": {}}}), RUNNING),
        (ended(), RUNNING),
        ({**ended(end(0)), "initContainerStatuses": [{"name": "up", "state": {"running": {}}}]}, RUNNING),
    ],
)
def test_a_pod_without_a_primary_container_ends_when_all_have_ended_well(
    found: Json, expected: tuple[str, str, str, bool]
) -> None:
    assert seen(pod(found, primary=False, containers=[MAIN, {"name": "side"}])) == expected


def test_a_primary_container_that_the_pod_lacks_is_an_error_of_the_user() -> None:
    found = pod(ended(), containers=[{"name": "other"}])

    assert seen(found) == ("FAILED", "PrimaryContainerNotFound", "USER", False)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ended(reason="Evicted", phase="Failed"), ("FAILED", "Evicted", "USER", True)),
        (ended(reason="DeadlineExceeded", phase="Failed"), ("FAILED", "DeadlineExceeded", "USER", True)),
        (ended(reason="Preempting", phase="Failed"), ("FAILED", "Preempting", "USER", True)),
        *((ended(reason=reason, phase="Failed"), INTERRUPTED) for reason in ("Shutdown", "Terminated", "NodeShutdown")),
        (ended(reason="NodeAffinity", phase="Failed"), INTERRUPTED),
        (ended(phase="Failed"), INTERRUPTED),
        (ended(end(137), phase="Failed"), INTERRUPTED),
        (ended(end(0), end(137, name="side"), phase="Failed"), ("FAILED", "Interrupted", "USER", True)),
        (ended(end(137, "OOMKilled"), phase="Failed"), ("FAILED", "OOMKilled", "USER", True)),
        (ended(end(1, "Error"), end(9, "OOMKilled", "side"), phase="Failed"), ("FAILED", "OOMKilled", "USER", True)),
        # Flyte: Interrupted, SYSTEM.
        (ended(end(3, "Error"), phase="Failed"), ("FAILED", "Error", "USER", True)),
        ({"phase": "Failed", "initContainerStatuses": [end(1, name="up")]}, INTERRUPTED),
    ],
)
def test_a_failed_pod_is_a_failure_of_the_user_or_of_the_cluster(
    found: Json, expected: tuple[str, str, str, bool]
) -> None:
    assert seen(pod(found)) == expected


def test_a_pod_that_the_cluster_disrupts_is_a_failure_of_the_system_and_says_why() -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "for y"}
    disrupted = ended(end(1), phase="Failed", conditions=[condition])

    reading = status.read(pod(disrupted), PodSettings(), NOW)

    assert described(reading.info) == INTERRUPTED
    assert reading.info.error is not None
    assert "PreemptionByScheduler for y" in reading.info.error.message


def test_the_messages_of_all_containers_are_in_that_of_a_failure() -> None:
    found = pod(ended(end(1, message="mine"), end(2, name="side", message="other"), phase="Failed", message="pod"))

    error = status.read(found, PodSettings(), NOW).info.error

    assert error is not None
    assert error.message == (
        "pod\r\n[main] terminated with exit code (1). Reason [Error]. Message: \nmine."
        "\r\n[side] terminated with exit code (2). Reason [Error]. Message: \nother."
    )


WAITS = "[ContainersNotReady|{}]: not ready|why"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ContainerCreating", "PodInitializing"])
def test_a_container_that_starts_is_initializing(reason: str) -> None:
    assert seen(pod(waiting(reason))) == ("INITIALIZING", WAITS.format(reason), "", False)


@pytest.mark.parametrize(
    ("reason", "grace", "expected"),
    [
        ("CreateContainerError", timedelta(minutes=3), ("USER", False)),
        ("ImagePullBackOff", timedelta(minutes=3), ("USER", True)),
        ("CreateContainerConfigError", timedelta(0), ("USER", False)),
        ("InvalidImageName", timedelta(0), ("USER", False)),
        ("CrashLoopBackOff", timedelta(0), ("SYSTEM", True)),
    ],
)
def test_a_container_that_cannot_start_fails_after_its_grace(
    reason: str, grace: timedelta, expected: tuple[str, bool]
) -> None:
    code, just_before = f"ContainersNotReady|{reason}", grace - timedelta(seconds=1)

    assert seen(pod(waiting(reason, since=grace))) == ("FAILED", code, *expected)
    if grace:
        reading = status.read(pod(waiting(reason, since=just_before)), PodSettings(), NOW)
        assert (TaskPhase.Phase.Name(reading.info.phase), reading.recheck) == ("INITIALIZING", 1.0)


def test_the_message_after_a_grace_names_it() -> None:
    found = pod(waiting("ImagePullBackOff", since=timedelta(minutes=5)))

    error = status.read(found, PodSettings(), NOW).info.error

    assert error is not None
    assert error.message == "the grace period of 3m0s is over: not ready|why"


def test_an_unschedulable_pod_is_queued_with_its_reason() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}

    assert seen(pod({"phase": "Pending", "conditions": [condition]})) == (
        "QUEUED",
        "Unschedulable:0/3 nodes",
        "",
        False,
    )


@pytest.mark.parametrize(
    ("age", "phase", "recheck"), [(timedelta(minutes=4), "QUEUED", 60.0), (timedelta(minutes=5), "FAILED", None)]
)
def test_a_pod_may_be_pending_for_a_limited_time(age: timedelta, phase: str, recheck: float | None) -> None:
    found = pod({"phase": "Pending"}, creationTimestamp=(NOW - age).isoformat())

    reading = status.read(found, PodSettings(pod_pending_timeout=timedelta(minutes=5)), NOW)

    assert (TaskPhase.Phase.Name(reading.info.phase), reading.recheck) == (phase, recheck)
    if reading.info.error is not None:
        assert (reading.info.error.code, reading.info.recoverable) == ("PodPendingTimeout", True)


def test_a_pod_that_is_being_deleted_has_failed_unless_it_has_ended() -> None:
    deleting: dict[str, Any] = {"deletionTimestamp": NOW.isoformat()}

    assert seen(pod(ended(), **deleting)) == ("FAILED", "UnexpectedObjectDeletion", "SYSTEM", True)
    assert seen(pod({"phase": "Pending"}, **deleting))[1] == "UnexpectedObjectDeletion"
    assert seen(pod(ended(end(0)), **deleting)) == SUCCEEDED
    assert described(status.deleted(pod(ended()))) == ("FAILED", "ResourceDeletedExternally", "SYSTEM", True)
