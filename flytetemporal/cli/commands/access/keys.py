"""``flytetemporal access keys``: API keys, which act as their owner within limits."""

from datetime import timedelta

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import durations, moments
from flytetemporal.contracts.v1 import access_pb2

SERVICE = "/flytetemporal.v1.AccessService/"


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option("--role", default="", help="What it may do at most: what this role may.")
@click.option("--all-domains", is_flag=True, help="Limit it to the project, not to one domain.")
@click.option("--everywhere", is_flag=True, help="Do not limit it to the project and domain.")
@click.option("--expires-in", default="", callback=durations.option, help="Validity: 12h, 30d; default: 90d.")
@click.option("--owner", default="", help="Whom it acts as, such as service:ci; default: you.")
@admin_calls.with_admin
def create(
    name: str, role: str, expires_in: timedelta | None, owner: str, admin: Admin, *, all_domains: bool, everywhere: bool
) -> None:
    """Make an API key NAME for the project and domain, and print its secret, which is shown only once."""
    request = access_pb2.CreateKeyRequest(name=name, role=role, owner=owner)
    if not everywhere:
        request.project, request.domain = admin.project, "" if all_domains else admin.domain
    if expires_in is not None:
        request.expires_in.FromTimedelta(expires_in)
    made = admin.call(f"{SERVICE}CreateKey", request, access_pb2.CreateKeyResponse)
    click.echo(f"API key {made.key.id} of {made.key.owner} expires {moments.moment(made.key.expires_at)}", err=True)
    click.echo(made.secret)


@keys.command("list")
@click.option("--all", "everybodys", is_flag=True, help="Those of everybody.")
@printing.option
@admin_calls.with_admin
def list_(output: str, admin: Admin, *, everybodys: bool) -> None:
    """List your API keys."""
    found = admin.call(f"{SERVICE}ListKeys", access_pb2.ListKeysRequest(all=everybodys), access_pb2.ListKeysResponse)
    titles = ("id", "name", "owner", "role", "project", "domain", "expires", "revoked")
    rows = (
        (
            one.id,
            one.name,
            one.owner,
            one.role or "*",
            one.project or "*",
            one.domain or "*",
            moments.moment(one.expires_at),
            moments.moment(one.revoked_at) if one.HasField("revoked_at") else "",
        )
        for one in found.keys
    )
    printing.show(output, found, lambda: printing.table(titles, rows))


@keys.command()
@click.argument("key_id", metavar="ID")
@admin_calls.with_admin
def revoke(key_id: str, admin: Admin) -> None:
    """Revoke the API key ID, for ever."""
    admin.call(f"{SERVICE}RevokeKey", access_pb2.RevokeKeyRequest(id=key_id), access_pb2.RevokeKeyResponse)
    click.echo(f"API key {key_id} is revoked; no admin accepts it after two seconds")
