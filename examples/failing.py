"""A task that fails: the execution ends FAILED and carries the traceback of the user's code."""

from flytekit import task, workflow


@task
def parse(text: str) -> int:
    return int(text)


@workflow
def failing_workflow(text: str = "not a number") -> int:
    return parse(text=text)
