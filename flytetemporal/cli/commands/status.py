"""``flytetemporal status``: what runs on a state folder."""

import json
from pathlib import Path

import click

from flytetemporal.cli.dev import home
from flytetemporal.cli.problems import CommandFailed


@click.command()
@click.option("--home", "folder", type=click.Path(path_type=Path), default=home.default_folder, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Everything, for programs; includes the database's password.")
def status(folder: Path, *, as_json: bool) -> None:
    """Print where the running stack answers."""
    state = home.read_state(home.Home(folder.expanduser().absolute()))
    if state is None:
        raise CommandFailed(f"nothing runs on {folder}: start it with flytetemporal dev")
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    click.echo("ready" if state["ready"] else "starting")
    for key in ("grpc_endpoint", "http_url", "temporal_ui_url", "logs"):
        click.echo(f"  {key}: {state[key]}")
    for name, pid in sorted(state["processes"].items()):
        click.echo(f"  {name}: {f'pid {pid}' if pid else 'down'}")
