import pytest
from flyteidl.admin import common_pb2, execution_pb2, node_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.service import admin_pb2, dataproxy_pb2

from flytetemporal.errors import InvalidRequest
from flytetemporal.rpc import methods, transcoding


def route(verb: str, path: str) -> tuple[transcoding.Route, dict[str, str]]:
    bound = methods.refuse(admin_pb2.DESCRIPTOR.services_by_name["AdminService"], "not served")
    for candidate in transcoding.routes(bound):
        variables = candidate.match(path)
        if candidate.verb == verb and variables is not None:
            return candidate, variables
    raise AssertionError(f"no route for {verb} {path}")


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [
        ("GET", "/api/v1/executions/p/d", "ListExecutions"),
        ("GET", "/api/v1/executions/p/d/e", "GetExecution"),
        ("DELETE", "/api/v1/executions/p/d/e", "TerminateExecution"),
        ("GET", "/api/v1/tasks/p/d/n", "ListTasks"),
        ("GET", "/api/v1/tasks/p/d/n/v", "GetTask"),
        ("GET", "/api/v1/projects", "ListProjects"),
    ],
)
def test_a_path_finds_its_method(verb: str, path: str, name: str) -> None:
    assert route(verb, path)[0].method.name == name


def test_path_variables_are_percent_decoded() -> None:
    _, variables = route("GET", "/api/v1/executions/p/d/execution%20name")

    assert variables["id.name"] == "execution name"


def test_query_parameters_are_understood_in_both_spellings() -> None:
    request = node_execution_pb2.NodeExecutionListRequest()

    transcoding.set_query(
        request, [("uniqueParentId", "n0"), ("sort_by.key", "created_at"), ("sortBy.direction", "ASCENDING")], ()
    )

    assert request.unique_parent_id == "n0"
    assert (request.sort_by.key, request.sort_by.direction) == ("created_at", common_pb2.Sort.ASCENDING)


def test_unknown_query_parameters_and_those_of_the_path_are_ignored() -> None:
    request = common_pb2.ResourceListRequest(id=common_pb2.NamedEntityIdentifier(project="p"))

    transcoding.set_query(request, [("colour", "red"), ("id.project", "other"), ("limit", "3")], ["id.project"])

    assert (request.id.project, request.limit) == ("p", 3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("many", 'parsing field "limit": strconv.ParseUint: parsing "many": invalid syntax'),
        ("-1", 'parsing field "limit": strconv.ParseUint: parsing "-1": invalid syntax'),
        ("1" * 5000, f'parsing field "limit": strconv.ParseUint: parsing "{"1" * 100}": value out of range'),
        ("4294967296", 'parsing field "limit": strconv.ParseUint: parsing "4294967296": value out of range'),
    ],
)
def test_a_number_that_is_none_is_named(value: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        transcoding.set_query(common_pb2.ResourceListRequest(), [("limit", value)], ())

    assert raised.value.message == text


@pytest.mark.parametrize("value", ["WORKFLOW", "2"])
def test_an_enum_is_a_name_or_a_number(value: str) -> None:
    request = common_pb2.NamedEntityListRequest()

    transcoding.set_path(request, "resource_type", value)

    assert request.resource_type == identifier_pb2.WORKFLOW


def test_an_enum_value_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        transcoding.set_path(common_pb2.NamedEntityListRequest(), "resource_type", "PLANET")


def test_a_duration_is_written_as_text() -> None:
    request = dataproxy_pb2.CreateDownloadLocationRequest()

    transcoding.set_query(request, [("native_url", "file:///x"), ("expiresIn", "90s")], ())

    assert request.expires_in.seconds == 90


def test_a_path_variable_wins_over_the_body() -> None:
    request = execution_pb2.ExecutionTerminateRequest()
    request.id.name = "from-the-body"

    transcoding.set_path(request, "id.name", "from-the-path")

    assert request.id.name == "from-the-path"
