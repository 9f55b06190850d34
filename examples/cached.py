"""A workflow that computes nothing in its second run; see docs/guide/caching.md."""

import time

from flytekit import dynamic, task, workflow
from flytekit.core.cache import Cache


@task(cache=Cache(version="1", ignored_inputs=("label",)))
def measure(sample: int, label: str) -> int:
    time.sleep(1)
    return sample * sample


@dynamic(cache=Cache(version="1"))
def measure_all(samples: int) -> list[int]:
    return [measure(sample=sample, label=f"sample {sample}") for sample in range(samples)]


@task
def total(values: list[int]) -> int:
    return sum(values)


@workflow
def cached_workflow(samples: int = 3) -> int:
    return total(values=measure_all(samples=samples))
