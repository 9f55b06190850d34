"""``flytetemporal status``: the endpoints and processes of the stack that runs on a state folder."""

import json
from pathlib import Path

import click

from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.errors import CommandError


@click.command()
@click.option(
    "--home",
    "path",
    type=click.Path(path_type=Path),
    default=state_folder.default_path,
    help="State folder.",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(path: Path, *, as_json: bool) -> None:
    """Print the endpoints and processes of the running stack."""
    state = state_folder.read_state(StateFolder(path.expanduser().absolute()))
    if state is None:
        raise CommandError(f"no stack runs on {path}: start one with flytetemporal dev")
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    click.echo("ready" if state["ready"] else "starting")
    for key in ("grpc_endpoint", "http_url", "temporal_ui_url", "logs"):
        click.echo(f"  {key}: {state[key]}")
    for name, pid in sorted(state["processes"].items()):
        click.echo(f"  {name}: {f'pid {pid}' if pid else 'down'}")
