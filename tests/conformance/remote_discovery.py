"""Discovery at run time: tasks that fetch entities, launch them and wait; graphs with fetched entities.

Register ``library.py`` in project ``flytetester``, domain ``staging``, as version ``library-1`` first.
"""

from typing import List

from case import Case, Run
from flytekit import current_context, dynamic, map_task, task, workflow
from flytekit.configuration import Config
from flytekit.remote import FlyteRemote

PLACE = {"project": "flytetester", "domain": "staging", "version": "library-1"}


def remote() -> FlyteRemote:
    """In a task, the client finds the API through the worker's environment."""
    return FlyteRemote(Config.auto(), default_project="flytesnacks", default_domain="development")


@task
def increment(a: int) -> int:
    return a + 1


@task
def launch_and_wait(a: int) -> int:
    here = remote()
    plan = here.fetch_launch_plan(name="library.hundred_more", **PLACE)
    name = f"by-{current_context().execution_id.name}"
    return here.execute(plan, inputs={"a": a}, execution_name=name, wait=True).outputs["o0"]


@task
def newest_version(name: str) -> str:
    """Without a version, the newest one is fetched."""
    return remote().fetch_launch_plan(project="flytetester", domain="staging", name=name).id.version


@dynamic
def with_fetched(a: int) -> int:
    here = remote()
    plan = here.fetch_launch_plan(name="library.hundred_more", **PLACE)
    fetched_task = here.fetch_task(name="library.add", **PLACE)
    fetched_workflow = here.fetch_workflow(name="library.add_twice", **PLACE)
    return increment(a=fetched_workflow(a=fetched_task(a=plan(a=a), b=1000)))


@dynamic
def with_lazily_fetched(a: int) -> int:
    here = remote()
    fetched_task = here.fetch_task_lazy(name="library.add", **PLACE)
    fetched_workflow = here.fetch_workflow_lazy(name="library.add_twice", **PLACE)
    return fetched_workflow(a=fetched_task(a=a, b=10))


@dynamic
def maps_a_fetched_plan(a: List[int]) -> List[int]:
    return map_task(remote().fetch_launch_plan(name="library.hundred_more", **PLACE))(a=a)


@workflow
def launched_by_a_task(a: int) -> (int, str):
    return increment(a=launch_and_wait(a=a)), newest_version(name="library.hundred_more")


@workflow
def fetched_in_a_dynamic(a: int) -> int:
    return with_fetched(a=a)


@workflow
def fetched_lazily_in_a_dynamic(a: int) -> int:
    return with_lazily_fetched(a=a)


@workflow
def mapped_in_a_dynamic(a: List[int]) -> List[int]:
    return maps_a_fetched_plan(a=a)


@workflow
def fetched_when_registered(a: int) -> int:
    here = remote()
    plan = here.fetch_launch_plan(name="library.hundred_more", **PLACE)
    fetched_task = here.fetch_task_lazy(name="library.add", **PLACE)
    fetched_workflow = here.fetch_workflow_lazy(name="library.add_twice", **PLACE)
    return plan(a=fetched_workflow(a=fetched_task(a=increment(a=a), b=10)))


def left_a_record(run: Run) -> None:
    execution = run.remote.fetch_execution(name=f"by-{run.id.name}")
    assert execution.spec.launch_plan.name == "library.hundred_more"


CASES = [
    Case(launched_by_a_task, {"a": 1}, {"o0": 102, "o1": "library-1"}, check=left_a_record),
    Case(fetched_in_a_dynamic, {"a": 1}, {"o0": 1104}),
    Case(fetched_lazily_in_a_dynamic, {"a": 1}, {"o0": 13}),
    Case(mapped_in_a_dynamic, {"a": [1, 2]}, {"o0": [101, 102]}),
    Case(fetched_when_registered, {"a": 1}, {"o0": 114}),
]
