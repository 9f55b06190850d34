"""The smallest workflow: one task."""

from flytekit import task, workflow


@task
def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow
def hello_workflow(name: str = "world") -> str:
    return greet(name=name)
