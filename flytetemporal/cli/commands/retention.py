"""``flytetemporal retention``: how long executions are kept, and what was removed."""

import getpass
from datetime import timedelta

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import durations, removals
from flytetemporal.contracts.v1 import retention_pb2

SERVICE = "/flytetemporal.v1.OperationsService/"


@click.group()
def retention() -> None:
    """Show or set how long executions are kept, remove older ones now, or list what was removed."""


@retention.command("get")
@printing.option
@admin_calls.with_admin
def show(output: str, admin: Admin) -> None:
    """Show how long the executions of the project are kept, by domain."""
    request = retention_pb2.GetRetentionRequest(project=admin.project)
    found = admin.call(f"{SERVICE}GetRetention", request, retention_pb2.GetRetentionResponse)
    printing.show(output, found, lambda: removals.policies(found))


@retention.command("set")
@click.option(
    "--max-age", default="", callback=durations.option, help="Keep executions this long after their end: 12h, 30d."
)
@click.option("--max-count", type=click.IntRange(1, 2**31 - 1), help="Keep this many executions, the newest ones.")
@click.option("--keep-all", is_flag=True, help="Remove the policy: keep all executions.")
@admin_calls.with_admin
def set_(max_age: timedelta | None, max_count: int | None, admin: Admin, *, keep_all: bool) -> None:
    """Set how long executions of the project and domain are kept: until one of the limits says otherwise."""
    if keep_all == (max_age is not None or max_count is not None):
        raise click.UsageError("say --max-age, --max-count or both, or --keep-all")
    policy = retention_pb2.RetentionPolicy(
        project=admin.project, domain=admin.domain, max_count=max_count or 0, updated_by=getpass.getuser()
    )
    if max_age is not None:
        policy.max_age.FromTimedelta(max_age)
    request = retention_pb2.SetRetentionRequest(policy=policy)
    admin.call(f"{SERVICE}SetRetention", request, retention_pb2.SetRetentionResponse)
    click.echo(f"executions of {admin.project} {admin.domain} are kept: {removals.limits(policy)}")


@retention.command()
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@printing.option
@admin_calls.with_admin
def run(output: str, admin: Admin, *, dry_run: bool) -> None:
    """Remove what the policy of the project and domain no longer keeps, without waiting for the next round."""
    request = retention_pb2.RunRetentionRequest(
        project=admin.project, domain=admin.domain, dry_run=dry_run, requested_by=getpass.getuser()
    )
    total = retention_pb2.RunRetentionResponse()
    while True:
        answer = admin.call(f"{SERVICE}RunRetention", request, retention_pb2.RunRetentionResponse)
        for name in ("executions", "nodes", "tasks"):
            setattr(total, name, getattr(total, name) + getattr(answer, name))
        for reason, count in answer.kept.items():
            total.kept[reason] += count
        request.token = answer.token
        if not answer.token:
            break
    printing.show(output, total, lambda: removals.counted(total, dry_run=dry_run))


@retention.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Number of rows.", show_default=True)
@printing.option
@admin_calls.with_admin
def log(limit: int, output: str, admin: Admin) -> None:
    """List what was removed from the project and domain, newest first."""
    request = retention_pb2.ListRemovalsRequest(project=admin.project, domain=admin.domain, limit=limit)
    found = admin.call(f"{SERVICE}ListRemovals", request, retention_pb2.ListRemovalsResponse)
    printing.show(output, found, lambda: removals.lines(found))
