"""What becomes of pods that the API server refuses, and of those that wait for a quota."""

import asyncio
from decimal import Decimal

import pytest

from flytetemporal.kube.api import KubeProblem
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import refusals
from flytetemporal.plugins.pods.quotas import QuotaQueue
from flytetemporal.plugins.protocol import ErrorKind, TaskPhase

QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: {}, used: {}, limited: {}'


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "bad", ("BadTaskFormat", "USER", False)),
        (422, "invalid", ("BadTaskFormat", "USER", False)),
        (413, "large", ("EntityTooLarge", "USER", False)),
        (403, "cannot create resource", ("RuntimeFailure", "USER", True)),
        (404, 'namespaces "ns" not found', ("NamespaceNotFound", "SYSTEM", True)),
        (
            403,
            QUOTA.format("limits.cpu=4", "limits.cpu=0", "limits.cpu=3"),
            ("ResourceRequestsExceedLimits", "USER", False),
        ),
        (
            403,
            QUOTA.format("limits.cpu=1,requests.memory=2Gi", "limits.cpu=0", "limits.cpu=3,requests.memory=1Gi"),
            ("ResourceRequestsExceedLimits", "USER", False),
        ),
    ],
)
def test_a_refusal_for_good_fails_the_attempt(status: int, message: str, expected: tuple[str, str, bool]) -> None:
    info = refusals.of(KubeProblem(status, "", message), "ns").info

    assert info.error is not None
    kind = ErrorKind.ErrorKind.Name(info.error.kind)
    assert (info.error.code, kind, info.recoverable) == expected
    assert message in info.error.message


@pytest.mark.parametrize(
    ("status", "message", "phase"),
    [
        (403, QUOTA.format("limits.cpu=1", "limits.cpu=3", "limits.cpu=3"), "WAITING_FOR_RESOURCES"),
        (403, QUOTA.format("limits.cpu=3", "limits.cpu=1", "limits.cpu=3"), "WAITING_FOR_RESOURCES"),
        (403, QUOTA.format("pods=1", "pods=3", "pods=3"), "WAITING_FOR_RESOURCES"),
        (403, "etcdserver: request timed out", "WAITING_FOR_RESOURCES"),
        (429, "too many requests", "WAITING_FOR_RESOURCES"),
        (504, "timeout", "WAITING_FOR_RESOURCES"),
        (500, "internal", "QUEUED"),
        (401, "unauthorized", "QUEUED"),
    ],
)
def test_a_refusal_that_can_pass_is_shown_and_tried_again(status: int, message: str, phase: str) -> None:
    refusal = refusals.of(KubeProblem(status, "", message), "ns")

    assert TaskPhase.Phase.Name(refusal.info.phase) == phase
    assert message in refusal.info.reason
    assert not refusal.may_pass


@pytest.mark.parametrize(("status", "expected"), [(403, True), (404, True), (422, False), (413, False)])
def test_a_missing_namespace_or_right_may_be_made_within_a_minute(status: int, expected: bool) -> None:
    refusal = refusals.of(KubeProblem(status, "", "why"), "ns")

    assert refusal.may_pass is expected
    assert (refusal.meanwhile.phase, refusal.meanwhile.is_terminal) == (TaskPhase.QUEUED, False)
    assert "why" in refusal.meanwhile.reason


def test_a_quota_tells_which_pods_it_refuses() -> None:
    message = QUOTA.format("limits.cpu=1500m,limits.memory=1Gi,requests.cpu=1", "limits.cpu=3", "limits.cpu=3")

    ceilings = refusals.of(KubeProblem(403, "", message), "ns").ceilings

    assert ceilings == {"cpu": Decimal("1.5"), "memory": Decimal(1024**3)}


def pod(*containers: Json, init: tuple[Json, ...] = ()) -> Json:
    return {"spec": {"containers": list(containers), "initContainers": list(init)}}


def limits(**amounts: str) -> Json:
    return {"resources": {"limits": amounts}}


def test_the_demand_of_a_pod_is_that_of_its_containers_or_of_its_largest_init_container() -> None:
    found = refusals.demand(
        pod(limits(cpu="1"), limits(cpu="500m"), init=(limits(cpu="1", memory="2Gi"), limits(cpu="2")))
    )

    assert found == {"cpu": Decimal(2), "memory": Decimal(2 * 1024**3)}
    assert refusals.demand(pod({})) == {}


def test_pauses_grow_up_to_the_longest_and_start_again_after_a_success() -> None:
    queue = QuotaQueue(2, 20)

    assert [queue.refused({}) for _ in range(7)] == [1, 2, 4, 8, 16, 20, 20]
    queue.accepted()
    assert queue.refused({}) == 1


async def test_pods_like_the_refused_one_queue_and_smaller_ones_pass() -> None:
    queue, order = QuotaQueue(2, 20), list[str]()
    queue.refused({"cpu": Decimal(1)})
    inside, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with queue.turn({"cpu": Decimal(1)}):
            inside.set()
            await leave.wait()
            order.append("first")

    async def later(name: str, cpu: str) -> None:
        async with queue.turn({"cpu": Decimal(cpu)}):
            order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        await inside.wait()
        group.create_task(later("like it", "2"))
        await group.create_task(later("smaller", "0.5"))
        leave.set()

    assert order == ["smaller", "first", "like it"]
    queue.accepted()
    assert not queue.blocks({"cpu": Decimal(9)})
