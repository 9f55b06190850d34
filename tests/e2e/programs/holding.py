"""A workflow whose middle task needs a file that an operator has to provide."""

from pathlib import Path

from flytekit import LaunchPlan, task, workflow
from flytekit.models.common import Annotations


@task
def double(number: int) -> int:
    return 2 * number


@task
def need(path: str, number: int) -> int:
    if not Path(path).exists():
        raise FileNotFoundError(path)
    return number + 1


@workflow
def holding(path: str, number: int = 1) -> int:
    return double(number=need(path=path, number=double(number=number)))


held = LaunchPlan.get_or_create(
    holding, name="held", annotations=Annotations({"flytetemporal.io/on-failure": "hold"}), default_inputs={"number": 1}
)
