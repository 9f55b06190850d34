from flytekit import Annotations, Email, LaunchPlan, WorkflowExecutionPhase, task, workflow

SUCCEEDED, FAILED = WorkflowExecutionPhase.SUCCEEDED, WorkflowExecutionPhase.FAILED


@task
def divide(by: int) -> int:
    return 10 // by


@workflow
def dividing(by: int) -> int:
    return divide(by=by)


watched = LaunchPlan.get_or_create(
    dividing,
    "watched_division",
    notifications=[Email(phases=[FAILED], recipients_email=["ada@example.com"])],
    annotations=Annotations({"flytetemporal.io/webhooks": "[{url: 'WEBHOOK', phases: [SUCCEEDED, FAILED]}]"}),
)
