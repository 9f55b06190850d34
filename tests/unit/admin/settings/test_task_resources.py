"""Resources of tasks are quantities within their limits, in containers and in pods."""

from typing import Any

import pytest
from flyteidl.core import tasks_pb2

from flytetemporal import errors
from flytetemporal.admin.settings import task_resources
from flytetemporal.config.admin import AdminSettings

R = tasks_pb2.Resources
PLATFORM = task_resources.platform_limits(AdminSettings())


def container(request: str = "", limit: str = "", name: int = R.CPU) -> None:
    entries = [[R.ResourceEntry(name=R.ResourceName.Name(name), value=v)] if v else [] for v in (request, limit)]
    task_resources.check_container("t", R(requests=entries[0], limits=entries[1]), PLATFORM)


def pod(spec: dict[str, Any]) -> None:
    message = tasks_pb2.K8sPod()
    message.pod_spec.update(spec)
    task_resources.check_pod("t", message, PLATFORM)


@pytest.mark.parametrize(("request_", "limit"), [("500m", "1"), ("1", ""), ("4", "4"), ("1500m", "2"), ("2", "1500m")])
def test_whole_units_rounded_up_are_compared(request_: str, limit: str) -> None:
    container(request_, limit)


@pytest.mark.parametrize(("request_", "limit"), [("2", "1"), ("999", ""), ("1", "999"), ("lots", ""), ("1", "-")])
def test_more_than_allowed_and_what_is_no_quantity_is_refused(request_: str, limit: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        container(request_, limit)


def test_gpus_come_whole_and_equal_to_their_limit() -> None:
    container("1", "1", R.GPU)

    with pytest.raises(errors.InvalidRequest):
        container("500m", "", R.GPU)


def test_every_container_of_a_pod_is_checked() -> None:
    pod({"containers": [{"name": "a", "resources": {"requests": {"cpu": 1, "memory": "1Gi"}}}]})

    with pytest.raises(errors.InvalidRequest, match="platform configuration"):
        pod({"containers": [{"name": "a"}, {"name": "b", "resources": {"requests": {"cpu": "999"}}}]})


@pytest.mark.parametrize(
    "containers",
    ["x", ["x"], {}, [{"resources": "x"}], [{"resources": {"requests": ["x"]}}], [{"resources": {"limits": 1}}]],
)
def test_a_pod_of_another_shape_is_refused(containers: object) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid value for pod_spec"):
        pod({"containers": containers})


def test_a_pod_with_a_number_that_json_cannot_write_is_refused() -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid value for pod_spec"):
        pod({"priority": float("nan")})
