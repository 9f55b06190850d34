"""``flytetemporal access``: who has which role where, and API keys."""

from pathlib import Path

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.commands.access import keys
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import access_pb2

SERVICE = "/flytetemporal.v1.AccessService/"
PERMISSIONS = ("read", "launch", "register", "operate", "administer", "platform", "audit", "engine")


@click.group()
def access() -> None:
    """Grant and revoke roles, list them, or make API keys."""


access.add_command(keys.keys)


@access.command()
@click.argument("subject")
@click.argument("role")
@click.option("--all-domains", is_flag=True, help="In all domains of the project.")
@click.option("--platform", is_flag=True, help="In all projects, and for what belongs to none.")
@admin_calls.with_admin
def grant(subject: str, role: str, admin: Admin, *, all_domains: bool, platform: bool) -> None:
    """Give SUBJECT (user:NAME, group:NAME, service:NAME or key:ID) the role ROLE in the project and domain."""
    binding = _binding(subject, role, admin, all_domains=all_domains, platform=platform)
    admin.call(f"{SERVICE}Grant", access_pb2.GrantRequest(binding=binding), access_pb2.GrantResponse)
    click.echo(f"{subject} is {role} of {_where(binding)}")


@access.command()
@click.argument("subject")
@click.argument("role")
@click.option("--all-domains", is_flag=True, help="In all domains of the project.")
@click.option("--platform", is_flag=True, help="In all projects, and for what belongs to none.")
@admin_calls.with_admin
def revoke(subject: str, role: str, admin: Admin, *, all_domains: bool, platform: bool) -> None:
    """Take the role ROLE in the project and domain away from SUBJECT."""
    binding = _binding(subject, role, admin, all_domains=all_domains, platform=platform)
    answer = admin.call(f"{SERVICE}Revoke", access_pb2.RevokeRequest(binding=binding), access_pb2.RevokeResponse)
    click.echo(f"{subject} is {'no longer' if answer.revoked else 'not'} {role} of {_where(binding)}")


@access.command("list")
@click.option("--subject", default="", help="Only the roles of this subject, such as group:team.")
@click.option("--all-domains", is_flag=True, help="Those of the whole project.")
@click.option("--platform", is_flag=True, help="Those of all projects.")
@printing.option
@admin_calls.with_admin
def list_(subject: str, output: str, admin: Admin, *, all_domains: bool, platform: bool) -> None:
    """List who has which role in the project and domain."""
    request = access_pb2.ListBindingsRequest(subject=subject)
    if not platform:
        request.project, request.domain = admin.project, "" if all_domains else admin.domain
    found = admin.call(f"{SERVICE}ListBindings", request, access_pb2.ListBindingsResponse)
    titles = ("subject", "role", "project", "domain", "by", "source")
    rows = (
        (one.subject, one.role, one.project or "*", one.domain or "*", one.granted_by, one.source)
        for one in found.bindings
    )
    printing.show(output, found, lambda: printing.table(titles, rows))


@access.command("can-i")
@click.argument("permission", type=click.Choice(PERMISSIONS))
@click.option("--platform", is_flag=True, help="In all projects, and for what belongs to none.")
@admin_calls.with_admin
def can_i(permission: str, admin: Admin, *, platform: bool) -> None:
    """Say whether you have PERMISSION in the project and domain; the exit status is 1 if you have not."""
    request = access_pb2.CanIRequest(permission=permission)
    if not platform:
        request.project, request.domain = admin.project, admin.domain
    answer = admin.call(f"{SERVICE}CanI", request, access_pb2.CanIResponse)
    if not answer.allowed:
        raise CommandError(answer.reason)
    click.echo("yes")


@access.command()
@click.option("-f", "--file", "path", type=click.Path(path_type=Path), required=True, help="YAML file of roles.")
@click.option("--source", default="file", show_default=True, help="Whose roles this file replaces.")
@admin_calls.with_admin
def apply(path: Path, source: str, admin: Admin) -> None:
    """Replace all roles that came from the same source by those of a file."""
    from flytetemporal.auth import policy_file  # A command that needs no YAML does not wait for it.
    from flytetemporal.errors import InvalidRequest

    try:
        bindings = policy_file.parse(path.read_text())
    except (OSError, UnicodeDecodeError, InvalidRequest) as e:
        raise CommandError(f"cannot apply {path}: {getattr(e, 'strerror', None) or e}") from e
    request = access_pb2.ApplyBindingsRequest(source=source)
    for one in bindings:
        request.bindings.add(
            subject=str(one.subject), role=one.role, project=one.scope.project, domain=one.scope.domain
        )
    answer = admin.call(f"{SERVICE}ApplyBindings", request, access_pb2.ApplyBindingsResponse)
    click.echo(f"{len(bindings)} roles apply: {answer.added} were added, {answer.removed} were removed")


def _binding(subject: str, role: str, admin: Admin, *, all_domains: bool, platform: bool) -> access_pb2.RoleBinding:
    if platform:
        return access_pb2.RoleBinding(subject=subject, role=role)
    domain = "" if all_domains else admin.domain
    return access_pb2.RoleBinding(subject=subject, role=role, project=admin.project, domain=domain)


def _where(binding: access_pb2.RoleBinding) -> str:
    return " ".join(filter(None, (binding.project, binding.domain))) or "the platform"
