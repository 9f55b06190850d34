"""A person decides: the workflow waits at the gate until somebody approves, at no cost."""

from datetime import timedelta

from flytekit import approve, task, workflow


@task
def draft(topic: str) -> str:
    return f"All about {topic}"


@task
def publish(text: str) -> str:
    return f"published: {text}"


@workflow
def approval_workflow(topic: str = "gates") -> str:
    return publish(text=approve(draft(topic=topic), "publish", timeout=timedelta(days=90)))
