"""A failure node: when a task fails, it gets the error and cleans up."""

from typing import Optional

from flytekit import task, workflow
from flytekit.types.error.error import FlyteError


@task
def release(resource: str, err: Optional[FlyteError] = None) -> None:
    print(f"releasing {resource} after: {err.message.splitlines()[0] if err else 'nothing'}")


@task
def use(resource: str) -> int:
    raise RuntimeError(f"{resource} is out of order")
    return 0


@workflow(on_failure=release)
def clean_up_workflow(resource: str = "machine-7") -> int:
    return use(resource=resource)
