"""A branch: the output of one task decides which task runs next."""

from flytekit import conditional, task, workflow


@task
def measure(text: str) -> int:
    return len(text)


@task
def shorten(text: str) -> str:
    return text[:10] + "..."


@task
def keep(text: str) -> str:
    return text


@workflow
def branch_workflow(text: str = "a text that is rather long") -> str:
    length = measure(text=text)
    return conditional("fit").if_(length > 10).then(shorten(text=text)).else_().then(keep(text=text))
