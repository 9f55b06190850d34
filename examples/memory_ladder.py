"""A task that needs more memory than it asks for. A policy lets each attempt that ran out of memory have more."""

from flytekit import Resources, task, workflow


@task(requests=Resources(mem="64Mi"))
def fill(mebibytes: int) -> int:
    return len(bytearray(mebibytes * 2**20)) // 2**20


@workflow
def memory_workflow(mebibytes: int = 150) -> int:
    return fill(mebibytes=mebibytes)
