"""Notify when an execution ends, by email."""

from flytekit import Email, LaunchPlan, Slack, WorkflowExecutionPhase, task, workflow

FAILED, SUCCEEDED = WorkflowExecutionPhase.FAILED, WorkflowExecutionPhase.SUCCEEDED


@task
def count(n: int) -> int:
    return n + 1


@workflow
def counting(n: int = 1) -> int:
    return count(n=n)


watched = LaunchPlan.get_or_create(
    counting,
    "watched_counting",
    notifications=[
        Email(phases=[FAILED, SUCCEEDED], recipients_email=["ada@example.com", "bob@example.com"]),
        Slack(phases=[FAILED], recipients_email=["alerts@example.slack.com"]),
    ],
)
