"""A run of 1,000 nodes whose last one fails, for recoveries and forks."""

from flytekit import task, workflow

from bench.flows.engine_only import echo


@task
def fails(a: int) -> int:
    if a >= 0:
        raise ValueError("this task always fails")
    return a


@workflow
def fan_1000_failing(a: int = 1) -> int:
    echoes = [echo(a=a) for _ in range(1000)]
    last = fails(a=echoes[0])
    for each in echoes:
        each >> last
    return last
