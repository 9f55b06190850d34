"""Tasks that need no process: ``Echo`` returns its inputs, ``core-sleep`` waits."""

import datetime as dt

from case import Case, Run
from flytekit import kwtypes, task, workflow
from flytekit.core.task import Echo
from flytekitplugins.sleep import Sleep

echo = Echo(name="echo_and_sleep.echo", inputs=kwtypes(a=int))


@task(task_config=Sleep())
def nap(duration: dt.timedelta) -> None:
    """The engine waits; this body never runs."""


@workflow
def echoed(a: int) -> int:
    return echo(a=echo(a=a))


@workflow
def rested(a: int) -> int:
    rest = nap(duration=dt.timedelta(seconds=1))
    said = echo(a=a)
    rest >> said
    return said


def took_a_second(run: Run) -> None:
    assert run.nodes()["n0"].closure.duration.ToTimedelta() >= dt.timedelta(seconds=1)


CASES = [Case(echoed, {"a": 9}, {"o0": 9}), Case(rested, {"a": 4}, {"o0": 4}, check=took_a_second)]
