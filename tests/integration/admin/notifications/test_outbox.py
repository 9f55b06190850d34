"""What an execution owes when it ends is recorded with its end, once, however it ends."""

from typing import Any

import pytest
from flyteidl.admin import common_pb2, event_pb2, execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2 as core_event_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control import operations as control_operations
from flytetemporal.admin.events import flyte_events
from flytetemporal.admin.executions import closing, workflow_executions
from flytetemporal.admin.notifications import operations
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import notifications_pb2, operations_pb2
from flytetemporal.idl import times
from tests.fixtures import notified
from tests.fixtures.effort import statements
from tests.fixtures.installation import Installation
from tests.fixtures.notified import KEY, email, end, identifier, listed, record, webhook
from tests.fixtures.registrations import DOMAIN, PROJECT, integer, plan, task, workflow
from tests.fixtures.registrations import identifier as entity

W = core_execution_pb2.WorkflowExecution
URL = "https://hooks.example.com/flyte"
WEBHOOKS = "flytetemporal.io/webhooks"


async def test_each_recipient_of_a_phase_that_is_named_has_a_notification(deps: Dependencies) -> None:
    slack = common_pb2.Notification(
        phases=[W.FAILED], slack=common_pb2.SlackNotification(recipients_email=["chat@example.com"])
    )
    pager = common_pb2.Notification(
        phases=[W.FAILED], pager_duty=common_pb2.PagerDutyNotification(recipients_email=["pager@example.com"])
    )
    await record(
        deps,
        email("a@example.com", "b@example.com", phases=[W.ABORTED, W.FAILED]),
        email("c@example.com", phases=[W.SUCCEEDED]),
        slack,
        pager,
        webhooks=webhook(URL),
    )

    await end(deps, W.FAILED)

    found = await listed(deps)
    assert [(one.channel, one.recipient) for one in found] == [
        ("email", "a@example.com"),
        ("email", "b@example.com"),
        ("slack", "chat@example.com"),
        ("pager_duty", "pager@example.com"),
        ("webhook", URL),
    ]
    assert {one.phase for one in found} == {W.FAILED}
    assert notified.states(found) == ["PENDING"] * 5
    assert len({one.delivery_id for one in found}) == 5


@pytest.mark.parametrize("phase", [W.SUCCEEDED, W.FAILED, W.ABORTED, W.TIMED_OUT])
async def test_every_phase_in_which_an_execution_ends_can_be_named(
    deps: Dependencies, phase: core_execution_pb2.WorkflowExecution.Phase
) -> None:
    await record(deps, email("a@example.com", phases=[phase]))

    await end(deps, phase)

    assert [one.phase for one in await listed(deps)] == [phase]


async def test_an_execution_that_runs_on_owes_nothing(deps: Dependencies) -> None:
    await record(deps, email("a@example.com", phases=[W.FAILED]), phase="QUEUED")

    await end(deps, W.RUNNING)

    assert await listed(deps) == []


async def test_an_end_that_is_reported_again_notifies_nobody_again(deps: Dependencies) -> None:
    await record(deps, email("a@example.com", phases=[W.FAILED, W.SUCCEEDED]))
    await end(deps, W.FAILED)
    before = await listed(deps)

    await end(deps, W.FAILED)
    await end(deps, W.SUCCEEDED)

    assert await listed(deps) == before


async def test_an_end_that_is_not_stored_notifies_nobody(deps: Dependencies) -> None:
    """Both are in one transaction: here the database refuses the notification."""
    await record(deps, email("a@example.com"))
    async with deps.sessions.begin() as session:
        await session.execute(text("ALTER TABLE notifications ADD CONSTRAINT nothing CHECK (recipient = '')"))

    with pytest.raises(Exception, match="nothing"):
        await end(deps, W.FAILED)

    assert await listed(deps) == []
    found = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=identifier()))
    assert found.closure.phase == W.RUNNING


async def test_an_end_that_the_sweeper_finds_notifies(deps: Dependencies) -> None:
    await record(deps, email("a@example.com"))

    outcome = contract_pb2.ExecutionOutcome(phase=W.FAILED)
    outcome.error.message = "the workflow is lost"
    assert await closing.close(deps, identifier(), outcome)

    assert len(await listed(deps)) == 1


async def test_an_end_by_force_notifies(installation: Installation) -> None:
    deps = installation.deps
    await record(deps, email("a@example.com", phases=[W.ABORTED]), name="forced")

    request = operations_pb2.ForceTerminateRequest(execution_id=identifier("forced"), cause="enough")
    await control_operations.force_terminate(deps, request)

    assert [one.phase for one in await listed(deps, "forced")] == [W.ABORTED]


async def test_an_end_that_another_engine_reports_notifies(deps: Dependencies) -> None:
    await record(deps, email("a@example.com", phases=[W.SUCCEEDED]))

    event = core_event_pb2.WorkflowExecutionEvent(execution_id=identifier(), phase=W.SUCCEEDED, producer_id="local")
    event.occurred_at.CopyFrom(times.timestamp(notified.Clock().now))
    await flyte_events.create_workflow_event(deps, event_pb2.WorkflowExecutionEventRequest(event=event))

    assert len(await listed(deps)) == 1


async def test_the_end_of_an_execution_that_notifies_nobody_costs_no_statement_more(deps: Dependencies) -> None:
    await record(deps, email("a@example.com", phases=[W.FAILED]))
    await record(deps, name="e2")

    with statements(deps.sessions) as with_notification:
        await end(deps, W.SUCCEEDED, "e1")
    with statements(deps.sessions) as without:
        await end(deps, W.SUCCEEDED, "e2")

    assert len(with_notification) == len(without)


async def test_a_recipient_with_a_nul_character_does_not_keep_an_execution_from_ending(deps: Dependencies) -> None:
    await record(deps, email("a\0@example.com"))

    await end(deps, W.FAILED)

    assert len(await listed(deps)) == 1


async def test_notifications_of_an_unknown_execution_are_not_found(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound, match="missing entity of type execution"):
        await listed(deps, "nosuch")


async def test_an_unknown_delivery_is_not_found(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound, match="no notification has the delivery id msg_1"):
        await operations.get_notification(deps, notifications_pb2.GetNotificationRequest(delivery_id="msg_1"))


class TestWhichNotificationsAnExecutionHas:
    """Flyte's precedence, and that of annotations for webhooks."""

    @pytest.fixture
    async def deps(self, deps: Dependencies) -> Dependencies:
        deps = notified.with_settings(deps, webhook_hosts=["*"], webhook_keys={"default": KEY, "other": KEY})
        await projects.register_defaults(deps)
        await tasks.create(deps, task())
        await workflows.create(deps, workflow())
        request = plan(notifications=[email("plan@example.com")])
        request.spec.annotations.values[WEBHOOKS] = f"[{{url: '{URL}', phases: [FAILED]}}]"
        await launch_plans.create(deps, request)
        return deps

    async def launched(self, deps: Dependencies, **spec: Any) -> list[str]:
        """Launch an execution and let it fail; return the recipients of its notifications."""
        request = execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, name="e1")
        request.spec.CopyFrom(execution_pb2.ExecutionSpec(launch_plan=entity("LAUNCH_PLAN", "w"), **spec))
        request.inputs.literals["a"].CopyFrom(integer(1))
        await workflow_executions.create(deps, request)
        await end(deps, W.FAILED)
        return [one.recipient for one in await listed(deps)]

    async def test_those_of_its_launch_plan(self, deps: Dependencies) -> None:
        assert await self.launched(deps) == ["plan@example.com", URL]

    async def test_its_own_emails_replace_those_of_its_launch_plan(self, deps: Dependencies) -> None:
        own = execution_pb2.NotificationList(notifications=[email("own@example.com")])

        assert await self.launched(deps, notifications=own) == ["own@example.com", URL]

    async def test_none_if_it_disables_all(self, deps: Dependencies) -> None:
        assert await self.launched(deps, disable_all=True) == []

    async def test_its_own_webhooks_replace_those_of_its_launch_plan(self, deps: Dependencies) -> None:
        own = common_pb2.Annotations(values={WEBHOOKS: "[{url: 'https://own.example.com/', key: other}]"})

        assert await self.launched(deps, annotations=own) == ["plan@example.com", "https://own.example.com/"]

    async def test_an_empty_list_removes_the_webhooks_of_its_launch_plan(self, deps: Dependencies) -> None:
        none = common_pb2.Annotations(values={WEBHOOKS: "[]"})

        assert await self.launched(deps, annotations=none) == ["plan@example.com"]

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ("nonsense", "give a list"),
            ("[{}]", "at 0.url: it is missing"),
            ("[{url: 'ftp://a.example.com'}]", "at 0.url: .*is not the URL of a webhook"),
            ("[{url: 'https://a.example.com', phases: []}]", "at 0.phases"),
            ("[{url: 'https://a.example.com', phases: [RUNNING]}]", "at 0.phases.0"),
            ("[{url: 'https://a.example.com', secret: a}]", "at 0.secret: there is no such field"),
            ("[{url: 'https://a.example.com', key: lost}]", "of the launch plan: there is no key 'lost'"),
            ("[{url: 'http://a.example.com'}]", "of the launch plan: webhooks may not call http://a.example.com"),
            (str([{"url": f"https://a.example.com/{n}"} for n in range(11)]), "at most 10 items"),
            ("[{url: &a [*a]}]", "0.url|not YAML"),
        ],
    )
    async def test_a_launch_plan_with_malformed_webhooks_is_refused(
        self, deps: Dependencies, value: str, problem: str
    ) -> None:
        request = plan("malformed")
        request.spec.annotations.values[WEBHOOKS] = value

        with pytest.raises(errors.InvalidRequest, match=problem) as refused:
            await launch_plans.create(deps, request)
        assert f"annotation {WEBHOOKS} of the launch plan" in refused.value.message

        own = common_pb2.Annotations(values={WEBHOOKS: value})
        with pytest.raises(errors.InvalidRequest, match=f"annotation {WEBHOOKS} of the execution"):
            await self.launched(deps, annotations=own)

    async def test_a_launch_plan_with_very_many_recipients_is_refused(self, deps: Dependencies) -> None:
        many = [email(*(f"a{n}@example.com" for n in range(101)))]

        with pytest.raises(errors.InvalidRequest, match="the notifications have 101 recipients, more than 100"):
            await launch_plans.create(deps, plan("many", notifications=many))

    async def test_texts_of_notifications_that_are_too_long_are_refused(self, deps: Dependencies) -> None:
        long = [email("a@example.com", template="x" * 65_537)]
        with pytest.raises(errors.InvalidRequest, match="template of a notification cannot exceed 65536 characters"):
            await launch_plans.create(deps, plan("long", notifications=long))

        with pytest.raises(errors.InvalidRequest, match="recipients cannot exceed 320 characters"):
            await launch_plans.create(deps, plan("long", notifications=[email("a" * 321)]))


def test_no_webhook_is_allowed_by_default() -> None:
    assert NotificationSettings().webhook_hosts == ()
