"""A task that runs in a pod."""

from flytekit import task


@task
def greet(name: str) -> str:
    return f"Hello, {name}!"
