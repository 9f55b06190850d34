"""A workflow that launches others: each child is a separate execution with its own record and page."""

from flytekit import LaunchPlan, task, workflow


@task
def greet(greeting: str, name: str) -> str:
    return f"{greeting}, {name}"


@workflow
def greeting_workflow(name: str, greeting: str = "hello") -> str:
    return greet(greeting=greeting, name=name)


informal = LaunchPlan.get_or_create(greeting_workflow, "informal_greeting", fixed_inputs={"greeting": "hi"})


@task
def join(left: str, right: str) -> str:
    return f"{left}; {right}"


@workflow
def parent_workflow(one: str = "Ada", other: str = "Grace") -> str:
    return join(left=informal(name=one), right=informal(name=other))
