"""A workflow with a text that is easy to find where it should not be, and one whose failure repeats it."""

from flytekit import task, workflow


@task
def repeat(text: str) -> str:
    return f"{text} again"


@task
def complain(text: str) -> str:
    if text:
        raise ValueError(f"cannot work with {text}")
    return text


@workflow
def keeps(text: str) -> str:
    return repeat(text=repeat(text=text))


@workflow
def fails(text: str) -> str:
    return complain(text=text)
