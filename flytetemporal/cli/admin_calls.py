"""Calls from commands to admin: its endpoint, the shared options, and errors as one line for the user.

The client of workers is ``rpc.admin_client``.
"""

import dataclasses
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc
from click.core import ParameterSource
from flyteidl.admin import common_pb2, execution_pb2, project_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import Message

from flytetemporal.cli import endpoints, execution_ids, problems
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.cli.errors import CommandError

PROJECT, DOMAIN = "flytesnacks", "development"
GET_PROJECT = "/flyteidl.service.AdminService/GetProject"
TIMEOUT_SECONDS = 30.0
# An API key, or an access token. In the environment, since others on the machine can read arguments of commands.
TOKEN_VARIABLE = "FLYTETEMPORAL_TOKEN"  # noqa: S105  the name of a variable
COMPLETIONS = 100
# Who presses the tab key waits no longer.
COMPLETION_SECONDS = 2.0
# Inputs and outputs of an execution are larger than gRPC's 4 MiB if a project allows it.
_OPTIONS = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]

R = TypeVar("R", bound=Message)
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Admin:
    """The control plane that a command calls, and what completes the name of an execution."""

    endpoint: Endpoint
    project: str
    domain: str

    def call(self, path: str, request: Message, response: type[R]) -> R:
        """Call a method by its gRPC path.

        Raises:
            CommandError: the call failed; the text has the server's status and message.
        """
        return call(self.endpoint, path, request, response)

    def check_project(self) -> None:
        """Refuse a project that does not exist, of which admin lists nothing. An admin that does not say is believed.

        Raises:
            CommandError: the project does not exist.
        """
        try:
            self.call(GET_PROJECT, project_pb2.ProjectGetRequest(id=self.project), project_pb2.Project)
        except CommandError as e:
            if "NOT_FOUND" in e.message:
                raise CommandError(
                    f"project {self.project} does not exist: `flytetemporal get projects` lists those that do"
                ) from e

    def execution_id(self, text: str) -> identifier_pb2.WorkflowExecutionIdentifier:
        """Return the id of an execution that the user named.

        Raises:
            click.BadParameter: the text is no id.
        """
        return execution_ids.parse(text, self.project, self.domain)


def with_admin(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every command of an execution has; the command gets them as ``admin``."""

    @functools.wraps(command)
    def connected(
        *args: Any, project: str, domain: str, home: Path, endpoint: str, secure: bool, **options: Any
    ) -> None:
        found = Endpoint(endpoint, secure) if endpoint else _endpoint_of(home, secure=secure)
        command(*args, admin=Admin(found, project, domain), **options)

    return options(home_option(connected))


def execution_argument(command: F) -> F:
    """Add the argument EXECUTION, whose names the shell completes."""
    return click.argument("execution", shell_complete=complete_execution)(command)


def complete_execution(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the newest executions that continue what was typed; none if admin does not answer soon."""
    given = context.params
    secure, named = bool(given.get("secure")), given.get("endpoint")
    request = common_pb2.ResourceListRequest(limit=COMPLETIONS)
    request.id.project, request.id.domain = given.get("project") or PROJECT, given.get("domain") or DOMAIN
    try:
        found = Endpoint(named, secure) if named else endpoints.find(given.get("home") or state_folder.default_path())
        listed = call(
            dataclasses.replace(found, secure=found.secure or secure),
            "/flyteidl.service.AdminService/ListExecutions",
            request,
            execution_pb2.ExecutionList,
            timeout_seconds=COMPLETION_SECONDS,
        )
    except CommandError:
        return []
    return [found.id.name for found in listed.executions if found.id.name.startswith(incomplete)]


def home_option(command: F) -> F:
    """Add the option that names the state folder of a running stack."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path),
        default=state_folder.default_path,
        help="State folder of the stack to call.",
        show_default=True,
    )(command)


def options(command: F) -> F:
    """Add the options that name an execution's project and domain, and admin's endpoint."""
    for option in (
        click.option("--secure", is_flag=True, help="Use TLS; default: as the configuration of pyflyte says."),
        click.option("--endpoint", default="", help="Admin's gRPC endpoint; default: the one that pyflyte uses."),
        click.option("-d", "--domain", default=DOMAIN, show_default=True),
        click.option("-p", "--project", default=PROJECT, show_default=True),
    ):
        command = option(command)
    return command


def _endpoint_of(home: Path, *, secure: bool) -> Endpoint:
    """Return the endpoint to call if none is given.

    Raises:
        CommandError: the user named a state folder on which no stack runs.
    """
    given = click.get_current_context().get_parameter_source("home") is not ParameterSource.DEFAULT
    folder = home.expanduser().absolute()
    if given and state_folder.read_state(StateFolder(folder)) is None:
        raise CommandError(f"no stack runs on {home}: start one with `flytetemporal dev --home {home}`")
    found = endpoints.find(folder)
    return dataclasses.replace(found, secure=found.secure or secure)


def _credential() -> list[tuple[str, str]]:
    """Return the metadata of a call: the API key or token in the environment, if there is one."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return [("authorization", f"Bearer {token}")] if token else []


def call(
    endpoint: Endpoint,
    path: str,
    request: Message,
    response: type[R],
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> R:
    """Call a method by its gRPC path: there are no generated stubs for the services of ``protos/``.

    Raises:
        CommandError: the call failed; the text has the server's status and message.
    """
    with endpoint.channel(_OPTIONS) as channel:
        method = channel.unary_unary(
            path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        try:
            answer: R = method(request, timeout=timeout_seconds, metadata=_credential())
        except grpc.RpcError as e:
            raise CommandError(problems.answer(f"admin at {endpoint.target}", e)) from e
    return answer
