"""Notifications are delivered at least once, within bounds, and whatever is down delays only itself."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flyteidl.core import execution_pb2
from standardwebhooks import Webhook

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.notifications import delivering, operations, queue
from flytetemporal.admin.notifications.senders import choice
from flytetemporal.admin.notifications.senders.protocol import Delivery
from flytetemporal.contracts.v1 import notifications_pb2
from tests.fixtures.http_receiver import Receiver, http_receiver
from tests.fixtures.notified import KEY, Clock, deliver, email, end, listed, record, states, webhook, with_settings
from tests.fixtures.waiting import eventually

W = execution_pb2.WorkflowExecution
MINUTE = timedelta(minutes=1)


def calling(deps: Dependencies, *receivers: Receiver, **settings: Any) -> Dependencies:
    """Return dependencies that allow these receivers."""
    return with_settings(
        deps, webhook_hosts=[receiver.url for receiver in receivers], webhook_keys={"default": KEY}, **settings
    )


def soon() -> Clock:
    """Return a clock for receivers that refuse what comes from the future."""
    return Clock(datetime.now(UTC) + MINUTE)


async def failed(deps: Dependencies, receiver: Receiver, name: str = "e1", path: str = "/flyte") -> None:
    await record(deps, name=name, webhooks=webhook(f"{receiver.url}{path}"))
    await end(deps, W.FAILED, name)


async def test_a_webhook_gets_a_signed_document(deps: Dependencies) -> None:
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        assert await deliver(deps, soon()) == {"delivered": 1}

    (got,) = receiver.received
    (found,) = await listed(deps)
    assert got.path == "/flyte"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == found.delivery_id
    assert Webhook(KEY).verify(got.body, {**got.headers}) == {
        "type": "execution.failed",
        "timestamp": json.loads(got.body)["timestamp"],
        "data": {
            "execution": {"project": "flytesnacks", "domain": "development", "name": "e1"},
            "phase": "FAILED",
            "workflow": {"project": "", "domain": "", "name": "w", "version": ""},
            "launch_plan": {"project": "", "domain": "", "name": "nightly", "version": "v7"},
            "error": {"code": "USER:Boom", "kind": "UNKNOWN", "message": "it broke"},
            "abort_cause": None,
        },
    }


async def test_a_webhook_that_answers_500_for_an_hour_is_called_again_until_it_does_not(deps: Dependencies) -> None:
    clock, calls = Clock(), []
    with http_receiver() as receiver:
        receiver.answers = [(500, b"out of order")]
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        started = clock.now
        while clock.now < started + 60 * MINUTE:
            if await deliver(deps, clock):
                calls.append((clock.now - started).total_seconds())
            (found,) = await listed(deps)
            assert states([found]) == ["PENDING"]
            clock.move(timedelta(seconds=10))
        receiver.answers = [(204, b"")]
        while await deliver(deps, clock) == {}:
            clock.move(MINUTE)

    (found,) = await listed(deps)
    # Pauses double from 10 seconds to 15 minutes.
    assert calls == [0, 10, 30, 70, 150, 310, 630, 1270, 2170, 3070]
    assert states([found]) == ["DELIVERED"]
    assert found.attempts == len(calls) + 1
    assert {got.headers["webhook-id"] for got in receiver.received} == {found.delivery_id}


async def test_each_attempt_is_signed_with_its_own_time(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        receiver.answers = [(500, b""), (200, b"")]
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        await deliver(deps, clock)
        clock.move(MINUTE)
        await deliver(deps, clock)

    first, second = (int(got.headers["webhook-timestamp"]) for got in receiver.received)
    assert second - first == 60


async def test_a_webhook_that_stays_down_is_given_up_after_a_day(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        receiver.answers = [(503, b"")]
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        for _ in range(25 * 4):
            await deliver(deps, clock)
            clock.move(15 * MINUTE)

    (found,) = await listed(deps)
    assert states([found]) == ["FAILED"]
    assert 90 < found.attempts == len(receiver.received) < 110
    assert found.problem.endswith("answered 503")


async def test_attempts_are_bounded(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        receiver.answers = [(503, b"")]
        deps = calling(deps, receiver, max_attempts=3)
        await failed(deps, receiver)
        for _ in range(10):
            await deliver(deps, clock)
            clock.move(MINUTE)

    assert len(receiver.received) == 3
    assert states(await listed(deps)) == ["FAILED"]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410])
async def test_what_a_webhook_refuses_is_not_repeated(deps: Dependencies, status: int) -> None:
    with http_receiver() as receiver, http_receiver() as elsewhere:
        receiver.answers = [(status, b"not here")]
        receiver.headers = {"Location": elsewhere.url}
        deps = calling(deps, receiver, elsewhere)
        await failed(deps, receiver)
        assert await deliver(deps) == {"failed": 1}

    assert elsewhere.received == []
    assert f"answered {status} not here" in (await listed(deps))[0].problem


@pytest.mark.parametrize("status", [408, 425, 429])
async def test_a_webhook_that_asks_to_wait_is_called_again(deps: Dependencies, status: int) -> None:
    with http_receiver() as receiver:
        receiver.answers = [(status, b"")]
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        assert await deliver(deps) == {"postponed": 1}


async def test_a_webhook_that_is_gone_is_called_again(deps: Dependencies) -> None:
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        await failed(deps, receiver)

    assert await deliver(deps) == {"postponed": 1}
    assert f"the webhook on 127.0.0.1:{receiver.port} cannot be reached" in (await listed(deps))[0].problem


async def test_a_webhook_that_is_slow_is_given_up_in_time_and_called_again(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        receiver.go_on.clear()
        deps = calling(deps, receiver, timeout=0.3)
        await failed(deps, receiver)
        assert await deliver(deps, clock) == {"postponed": 1}
        assert (await listed(deps))[0].problem.endswith("took longer than 0.3 s")
        receiver.go_on.set()
        clock.move(MINUTE)
        deps = calling(deps, receiver)
        assert await deliver(deps, clock) == {"delivered": 1}

    assert len({got.headers["webhook-id"] for got in receiver.received}) == 1


async def test_of_a_long_answer_only_the_beginning_is_read(deps: Dependencies) -> None:
    with http_receiver() as receiver:
        receiver.answers = [(400, b"no " * 10_000_000)]
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        assert await deliver(deps) == {"failed": 1}

    assert len((await listed(deps))[0].problem) < 500


async def test_a_host_that_is_no_longer_allowed_is_not_called(deps: Dependencies) -> None:
    with http_receiver() as receiver:
        await failed(deps, receiver)
        deps = with_settings(deps, webhook_keys={"default": KEY})
        assert await deliver(deps) == {"failed": 1}

    assert receiver.received == []
    assert "webhooks may not call" in (await listed(deps))[0].problem


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"]
)
async def test_a_pattern_does_not_allow_private_addresses(deps: Dependencies, host: str) -> None:
    with http_receiver() as receiver:
        await record(deps, webhooks=webhook(f"http://{host}:{receiver.port}/"))
        await end(deps, W.FAILED)
        deps = with_settings(deps, webhook_hosts=[f"http://*:{receiver.port}"], webhook_keys={"default": KEY})
        assert await deliver(deps) == {"failed": 1}

    assert receiver.received == []
    assert "which is not public" in (await listed(deps))[0].problem


async def test_a_key_that_is_gone_is_recorded(deps: Dependencies) -> None:
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        await record(deps, webhooks=webhook(f"{receiver.url}/", key="old"))
        await end(deps, W.FAILED)
        assert await deliver(deps) == {"failed": 1}

    assert "there is no key 'old' any more" in (await listed(deps))[0].problem


async def test_a_destination_that_is_down_costs_others_nothing(deps: Dependencies) -> None:
    """Of many notifications for a server that is gone a round attempts a few, and all of those for another one."""
    with http_receiver() as gone:
        pass
    with http_receiver() as receiver:
        deps = calling(deps, gone, receiver)
        for number in range(25):
            await failed(deps, gone, f"gone{number}")
            await failed(deps, receiver, f"there{number}")
        found = await deliver(deps)

    assert found == {"delivered": 25, "postponed": delivering.BATCH}


async def test_what_waits_for_a_destination_that_stays_down_is_given_up_too(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        for number in range(delivering.BATCH + 2):
            await failed(deps, receiver, f"e{number}")
    await deliver(deps, clock)
    await deliver(deps, clock)
    clock.move(timedelta(days=2))

    assert await deliver(deps, clock) == {"given_up": delivering.BATCH + 2}


async def test_an_attempt_whose_process_died_is_repeated(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        (taken,) = await queue.take(deps, f"127.0.0.1:{receiver.port}", 10, clock.now)
        assert await deliver(deps, clock) == {}
        clock.move(deps.notifications.timeout + queue.LEASE_MARGIN)
        assert await deliver(deps, clock) == {"delivered": 1}

    assert [got.headers["webhook-id"] for got in receiver.received] == [taken.delivery_id]
    assert (await listed(deps))[0].attempts == 2


async def test_a_late_failure_does_not_undo_the_delivery_of_another_process(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        (taken,) = await queue.take(deps, f"127.0.0.1:{receiver.port}", 10, clock.now)
        clock.move(deps.notifications.timeout + queue.LEASE_MARGIN)
        await deliver(deps, clock)
        await queue.record(deps, [queue.Result(taken, "the server was slow", is_final=True)], clock.now)

    assert states(await listed(deps)) == ["DELIVERED"]


async def test_two_control_workers_deliver_each_notification_once(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        for number in range(30):
            await failed(deps, receiver, f"e{number}")
        await asyncio.gather(*(deliver(deps, clock) for _ in range(4)))

    assert len(receiver.received) == 30
    assert len({got.headers["webhook-id"] for got in receiver.received}) == 30


async def test_a_round_that_is_stopped_leaves_its_notifications_to_the_next(deps: Dependencies) -> None:
    clock = Clock()
    with http_receiver() as receiver:
        receiver.go_on.clear()
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        stopped = asyncio.create_task(deliver(deps, clock))
        await eventually(lambda: len(receiver.received) == 1)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        receiver.go_on.set()
        clock.move(deps.notifications.timeout + queue.LEASE_MARGIN)
        assert await deliver(deps, clock) == {"delivered": 1}


async def test_a_defect_of_a_sender_is_not_the_end_of_a_round(deps: Dependencies) -> None:
    class Broken:
        async def send(self, delivery: Delivery) -> None:
            raise RuntimeError("a defect")

    clock = Clock()
    with http_receiver() as receiver:
        deps = calling(deps, receiver)
        await failed(deps, receiver)
        await record(deps, email("ada@example.com"), name="e2")
        await end(deps, W.FAILED, "e2")
        async with choice.senders(deps.notifications) as senders:
            found = await delivering.deliver_due(deps, {**senders, "email": Broken()}, clock)

    assert found == {"delivered": 1, "postponed": 1}
    assert (await listed(deps, "e2"))[0].problem == "internal error: RuntimeError"


class TestATest:
    async def test_of_a_webhook_is_delivered_like_others(self, deps: Dependencies) -> None:
        with http_receiver() as receiver:
            deps = calling(deps, receiver)
            request = notifications_pb2.SendTestNotificationRequest()
            request.webhook.url = f"{receiver.url}/test"
            sent = await operations.send_test_notification(deps, request)
            assert states([sent]) == ["PENDING"]
            await deliver(deps, soon())

        found = await operations.get_notification(
            deps, notifications_pb2.GetNotificationRequest(delivery_id=sent.delivery_id)
        )
        assert states([found]) == ["DELIVERED"]
        assert Webhook(KEY).verify(receiver.received[0].body, {**receiver.received[0].headers})["type"] == "test"

    @pytest.mark.parametrize(
        ("request_", "problem"),
        [
            ({}, "the test has no recipient; set email or webhook"),
            ({"email": ""}, "'' is not an address"),
            ({"email": "nobody"}, "'nobody' is not an address"),
            ({"email": "a@b\n.c"}, "is not an address"),
            ({"email": "a" * 300 + "@b.c"}, "email cannot exceed 254 characters"),
            ({"webhook": {}}, "is not the URL of a webhook"),
            ({"webhook": {"url": "https://a.example.com"}}, "webhooks may not call a.example.com"),
        ],
    )
    async def test_of_what_cannot_be_reached_is_refused(
        self, deps: Dependencies, request_: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(errors.InvalidRequest, match=problem):
            await operations.send_test_notification(deps, notifications_pb2.SendTestNotificationRequest(**request_))
