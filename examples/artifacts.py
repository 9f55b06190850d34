"""Artifacts: an output under a name, and a workflow whose input is the latest of them."""

from typing import Annotated

from flytekit import Artifact, task, workflow
from flytekit.core.artifact import Inputs

Rows = Artifact(name="rows", partition_keys=["region"])


@task
def count(region: str, base: int) -> Annotated[int, Rows(region=Inputs.region)]:
    return base + len(region)


@workflow
def counting(region: str = "SEA", base: int = 40) -> int:
    return count(region=region, base=base)


@task
def double(rows: int) -> int:
    return 2 * rows


@workflow
def doubling(region: str, rows: int = Rows.query(region=Inputs.region)) -> int:
    return double(rows=rows)
