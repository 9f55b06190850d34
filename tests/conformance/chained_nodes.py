"""Order without data: ``>>`` between tasks, workflows, launch plans and gates."""

import datetime as dt
import itertools

from case import Case, Run
from flytekit import LaunchPlan, sleep, task, workflow


@task
def step(number: int) -> None:
    print(number)


@task
def last(number: int) -> int:
    return number


@workflow
def steps(number: int) -> None:
    step(number=number) >> step(number=number)


plan = LaunchPlan.get_or_create(steps, "chained_nodes.steps_plan")


@workflow
def in_order(number: int) -> int:
    first = step(number=number)
    below = steps(number=number)
    pause = sleep(dt.timedelta(milliseconds=200))
    child = plan(number=number)
    end = last(number=number)
    first >> below
    below >> pause
    pause >> child
    child >> end
    return end


def one_after_the_other(run: Run) -> None:
    nodes = run.nodes()
    chain = [nodes[f"n{index}"].closure for index in range(5)]
    for earlier, later in itertools.pairwise(chain):
        ended = earlier.started_at.ToDatetime() + earlier.duration.ToTimedelta()
        assert ended <= later.started_at.ToDatetime() + dt.timedelta(milliseconds=5)


CASES = [Case(in_order, {"number": 3}, {"o0": 3}, check=one_after_the_other)]
