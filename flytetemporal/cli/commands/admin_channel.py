"""The commands' way to admin: where it answers, and calls whose failure is one line for the user."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc
import yaml
from google.protobuf.message import Message

from flytetemporal.cli.dev import client_config, home
from flytetemporal.cli.problems import CommandFailed

DEFAULT = "localhost:8089"
TIMEOUT_SECONDS = 30.0

R = TypeVar("R", bound=Message)
F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """Add the options that say which execution is meant and where admin answers."""
    for option in (
        click.option("--secure", is_flag=True, help="Speak TLS."),
        click.option("--endpoint", default="", help="Admin's gRPC endpoint; as pyflyte finds it unless given."),
        click.option("-d", "--domain", default="development", show_default=True),
        click.option("-p", "--project", default="flytesnacks", show_default=True),
    ):
        command = option(command)
    return command


def endpoint(folder: Path) -> str:
    """Return where admin answers: the stack that runs on ``folder``, else what the client configuration says."""
    state = home.read_state(home.Home(folder))
    if state is not None:
        return str(state["grpc_endpoint"])
    path = Path(os.environ.get("FLYTECTL_CONFIG") or client_config.default_path())
    try:
        content = yaml.safe_load(path.read_text()) if path.exists() else None
    except (OSError, yaml.YAMLError) as e:
        raise CommandFailed(f"cannot read {path}: {str(e).splitlines()[0]}; pass --endpoint") from e
    admin = content.get("admin") if isinstance(content, dict) else None
    configured = str(admin.get("endpoint") or "") if isinstance(admin, dict) else ""
    return configured.removeprefix("dns:///") or DEFAULT


def call(target: str, path: str, request: Message, response: type[R], *, secure: bool) -> R:
    """Call a method by its gRPC path.

    Raises:
        CommandFailed: it failed; with the server's words.
    """
    channel = grpc.secure_channel(target, grpc.ssl_channel_credentials()) if secure else grpc.insecure_channel(target)
    with channel:
        method = channel.unary_unary(
            path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        try:
            answer: R = method(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as e:
            failed: Any = e  # A call as well, which the types do not say.
            raise CommandFailed(f"{target} answers {failed.code().name}: {failed.details()}") from e
    return answer
