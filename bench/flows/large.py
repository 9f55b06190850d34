"""Static workflows of thousands of nodes."""

from flytekit import kwtypes, workflow
from flytekit.core.task import Echo

echo = Echo(name="bench.echo_large", inputs=kwtypes(a=int))


@workflow
def echo_chain_5000(a: int = 1) -> int:
    for _ in range(5000):
        a = echo(a=a)
    return a


@workflow
def echo_fan_10000(a: int = 1) -> None:
    for _ in range(10_000):
        echo(a=a)
