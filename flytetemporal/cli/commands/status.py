"""``flytetemporal status``: the endpoints and processes of the stack on a state folder, and its loops."""

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from flytetemporal.cli import admin_calls, endpoints, printing
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import loops as views
from flytetemporal.contracts.v1 import upkeep_pb2


@click.command()
@click.option(
    "--home",
    "path",
    type=click.Path(path_type=Path),
    default=state_folder.default_path,
    help="State folder; default: also the one whose configuration file FLYTECTL_CONFIG names.",
    show_default=True,
)
@click.option("--endpoint", default="", help="Only show the loops of the control plane at this gRPC endpoint.")
@click.option("--secure", is_flag=True, help="Use TLS.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def status(context: click.Context, path: Path, endpoint: str, *, secure: bool, as_json: bool) -> None:
    """Print the endpoints and processes of the running stack, and when each loop ran.

    Without a stack on this machine, the loops are those of the admin that pyflyte and flytectl call.

    Of each loop of the control worker: when it ran last, what it found, and when it runs next.
    """
    state, called = None, Endpoint(endpoint, secure)
    if not endpoint:
        named = context.get_parameter_source("path") is not ParameterSource.DEFAULT
        path, state = endpoints.running_stack(path, named=named)
        called = _endpoint_of(path, state, named=named)
    problem, found = "", upkeep_pb2.ListLoopsResponse()
    try:
        found = _loops(called)
    except CommandError as e:
        if state is None:
            raise
        # The processes of a stack that is starting, or is broken, are shown all the same.
        problem = e.message
    if as_json:
        click.echo(json.dumps({**(state or {}), **printing.document(found)}, indent=2))
        return
    if state is not None:
        _show_stack(state)
    for line in [f"loops: {problem}"] if problem else views.lines(found):
        click.echo(line)


def _endpoint_of(path: Path, state: dict[str, Any] | None, *, named: bool) -> Endpoint:
    """Return where admin is if the user has not said that."""
    if state is not None:
        return Endpoint(str(state["grpc_endpoint"]))
    configured = None if named else endpoints.configured()
    if configured is None:
        raise CommandError(f"no stack runs on {path}: start one with flytetemporal dev, or pass --endpoint")
    return configured


def _loops(endpoint: Endpoint) -> upkeep_pb2.ListLoopsResponse:
    request = upkeep_pb2.ListLoopsRequest()
    return admin_calls.call(endpoint, views.LIST_LOOPS, request, upkeep_pb2.ListLoopsResponse)


def _show_stack(state: dict[str, Any]) -> None:
    click.echo("ready" if state["ready"] else "starting")
    for key in ("grpc_endpoint", "http_url", "temporal_ui_url", "logs"):
        click.echo(f"  {key}: {state[key]}")
    for name, pid in sorted(state["processes"].items()):
        click.echo(f"  {name}: {f'pid {pid}' if pid else 'down'}")
