"""A gate: the workflow waits for a person's approval, which takes no resources."""

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
