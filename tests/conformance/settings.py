"""Settings of an execution: parallelism, variables, labels, annotations, tags, service account, raw output prefix."""

import itertools
import os
import time
from datetime import timedelta

from case import Case, Run
from flytekit import current_context, task, workflow
from flytekit.core.options import Options
from flytekit.models.common import Annotations, Labels, RawOutputDataConfig
from flytekit.models.security import Identity, SecurityContext


@task
def variable(name: str) -> str:
    return os.environ[name]


@task
def raw_prefix() -> str:
    return str(current_context().raw_output_prefix)


@task
def nap(number: int) -> int:
    time.sleep(0.5)
    return number


@workflow
def told(name: str) -> (str, str):
    return variable(name=name), raw_prefix()


@workflow
def parallel() -> None:
    nap(number=1)
    nap(number=2)
    nap(number=3)


def are_kept(run: Run) -> None:
    spec = run.execution.spec
    assert dict(spec.labels.values)["team"] == "ours"
    assert dict(spec.annotations.values)["note"] == "kept"
    assert list(spec.tags) == ["tagged"]
    assert spec.security_context.run_as.k8s_service_account == "robot"
    assert run.id.name in [found.id.name for found in run.labelled("team", "ours")]


def ran_one_by_one(run: Run) -> None:
    closures = sorted(
        (run.nodes()[name].closure for name in ("n0", "n1", "n2")), key=lambda closure: closure.started_at.ToDatetime()
    )
    for earlier, later in itertools.pairwise(closures):
        ended = earlier.started_at.ToDatetime() + earlier.duration.ToTimedelta()
        assert later.started_at.ToDatetime() >= ended - timedelta(milliseconds=50)


def goes_to(prefix: str):
    return Options(
        labels=Labels({"team": "ours"}),
        annotations=Annotations({"note": "kept"}),
        raw_output_data_config=RawOutputDataConfig(prefix),
        security_context=SecurityContext(run_as=Identity(k8s_service_account="robot")),
    )


class Below:
    """Equal to every string that starts with this one."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.startswith(self.prefix)

    __hash__ = None


CASES = [
    Case(
        told,
        {"name": "COLOUR"},
        {"o0": "blue", "o1": Below("/tmp/conformance-settings/")},
        launched={"options": goes_to("/tmp/conformance-settings"), "envs": {"COLOUR": "blue"}, "tags": ["tagged"]},
        check=are_kept,
    ),
    Case(parallel, launched={"options": Options(max_parallelism=1)}, check=ran_one_by_one),
]
