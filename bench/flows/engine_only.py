"""Tasks without a container, which measure the engine alone."""

from datetime import timedelta

from flytekit import kwtypes, task, workflow
from flytekit.core.task import Echo
from flytekitplugins.sleep import Sleep

echo = Echo(name="bench.echo", inputs=kwtypes(a=int))


@task(task_config=Sleep())
def nap(duration: timedelta) -> None: ...


@workflow
def echo_chain_100(a: int = 1) -> int:
    for _ in range(100):
        a = echo(a=a)
    return a


@workflow
def echo_chain_500(a: int = 1) -> int:
    for _ in range(500):
        a = echo(a=a)
    return a


@workflow
def echo_fan_1000(a: int = 1) -> None:
    for _ in range(1000):
        echo(a=a)


@workflow
def sleep_chain_100(duration: timedelta = timedelta(milliseconds=100)) -> None:
    before = None
    for _ in range(100):
        node = nap(duration=duration)
        if before is not None:
            before >> node
        before = node


@workflow
def sleep_fan_1000(duration: timedelta = timedelta(milliseconds=100)) -> None:
    for _ in range(1000):
        nap(duration=duration)


@workflow
def echo_diamond(a: int = 1) -> int:
    """Five nodes; two hundred of these run at once."""
    top = echo(a=a)
    left, middle, right = echo(a=top), echo(a=top), echo(a=top)
    last = echo(a=left)
    middle >> last
    right >> last
    return last
