import pytest
from flyteidl.admin import project_pb2, version_pb2
from flyteidl.service import identity_pb2
from google.protobuf.message import Message

from flytetemporal.errors import Unimplemented
from flytetemporal.rpc import methods

IDENTITY = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]


async def user_info(name: str, request: identity_pb2.UserInfoRequest) -> identity_pb2.UserInfoResponse:
    return identity_pb2.UserInfoResponse(name=name)


async def other(name: str, request: version_pb2.GetVersionRequest) -> project_pb2.Project:
    return project_pb2.Project(name=name)


async def bare(name: str, request) -> Message:  # type: ignore[no-untyped-def]
    return identity_pb2.UserInfoResponse(name=name)


async def test_a_function_is_called_with_the_dependencies_and_the_request() -> None:
    (method,) = methods.bind(IDENTITY, {"UserInfo": user_info}, "me")

    assert await method.handler(identity_pb2.UserInfoRequest()) == identity_pb2.UserInfoResponse(name="me")


@pytest.mark.parametrize(
    ("functions", "problem"),
    [
        ({}, "UserInfo has no function"),
        ({"UserInfo": user_info, "Userinfo": user_info}, "Userinfo is not a method of the service"),
        ({"Userinfo": user_info}, "UserInfo has no function; Userinfo is not a method of the service"),
        (
            {"UserInfo": other},
            "UserInfo maps UserInfoRequest to UserInfoResponse, its function GetVersionRequest to Project",
        ),
        ({"UserInfo": bare}, "UserInfo maps UserInfoRequest to UserInfoResponse, its function None to Message"),
    ],
)
def test_a_table_that_does_not_fit_its_service_is_refused(
    functions: dict[str, methods.Function[str]], problem: str
) -> None:
    with pytest.raises(TypeError) as raised:
        methods.bind(IDENTITY, functions, "me")

    assert str(raised.value) == f"flyteidl.service.IdentityService cannot be served: {problem}"


async def test_what_is_named_as_unserved_is_unimplemented() -> None:
    (method,) = methods.bind(IDENTITY, {}, None, unserved=["UserInfo"])

    with pytest.raises(Unimplemented, match=r"^flyteidl.service.IdentityService.UserInfo is not served here$"):
        await method.handler(identity_pb2.UserInfoRequest())


def test_only_methods_of_the_service_can_be_unserved() -> None:
    with pytest.raises(TypeError, match="Userinfo is not a method"):
        methods.bind(IDENTITY, {"UserInfo": user_info}, "me", unserved=["Userinfo"])


async def test_a_refused_service_answers_with_the_reason() -> None:
    (method,) = methods.refuse(IDENTITY, "there are no users")

    with pytest.raises(Unimplemented, match=r"^there are no users$"):
        await method.handler(identity_pb2.UserInfoRequest())
