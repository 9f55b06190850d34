"""``flytetemporal audit``: what was changed or refused, by whom."""

from datetime import UTC, datetime, timedelta

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import durations, moments
from flytetemporal.contracts.v1 import access_pb2


@click.command()
@click.option("--subject", default="", help="Only what this user or service did.")
@click.option("--action", default="", help="Only calls of this method, such as CreateExecution.")
@click.option("--refused", is_flag=True, help="Only what was refused.")
@click.option("--since", default="", callback=durations.option, help="Only the last 12h, 30d.")
@click.option("--all-domains", is_flag=True, help="Of the whole project.")
@click.option("--platform", is_flag=True, help="Of all projects, and what is about none.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Number of entries.", show_default=True)
@printing.option
@admin_calls.with_admin
def audit(
    subject: str,
    action: str,
    since: timedelta | None,
    limit: int,
    output: str,
    admin: Admin,
    *,
    refused: bool,
    all_domains: bool,
    platform: bool,
) -> None:
    """List changes, sign-ins and refusals in the project and domain, newest first."""
    request = access_pb2.ListAuditRequest(subject=subject, action=action, refused=refused, limit=limit)
    if not platform:
        request.project, request.domain = admin.project, "" if all_domains else admin.domain
    if since is not None:
        request.since.FromDatetime(datetime.now(UTC) - since)
    found = admin.call("/flytetemporal.v1.AccessService/ListAudit", request, access_pb2.ListAuditResponse)
    titles = ("at", "who", "credential", "from", "action", "target", "result", "request")
    rows = (
        (
            moments.moment(one.at),
            one.subject or "-",
            " ".join(filter(None, (one.credential, one.credential_id))),
            one.peer,
            one.action,
            one.target,
            one.code,
            one.request_id,
        )
        for one in found.entries
    )
    printing.show(output, found, lambda: printing.table(titles, rows))
