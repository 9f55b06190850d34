"""``flytetemporal hash-password``: the hash of a password or of a client's secret, for settings and files of users."""

import sys

import click

from flytetemporal.auth import passwords
from flytetemporal.cli.errors import CommandError


@click.command("hash-password")
def hash_password() -> None:
    """Print the hash of a password or of a client's secret, asked for or read from standard input."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise CommandError("the password is empty")
    click.echo(passwords.hash_of(password))
