"""``flytetemporal cache``: lists cached outputs, evicts them, and sets how old they may be."""

from collections.abc import Callable
from datetime import timedelta

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import durations, moments
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations

SERVICE = "/flytetemporal.v1.CacheOperationsService/"
_LONGEST_PAGE = 1000


def _of_task(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that narrow a project and domain down to a task."""
    command = click.option("--version", "task_version", default="", help="Only of this version of the task.")(command)
    command = click.option("--task", default="", help="Only of the task of this name.")(command)
    return click.option("--all-domains", is_flag=True, help="Of the whole project, not of one domain.")(command)


def _scope(
    admin: Admin, task: str, task_version: str, execution: str = "", *, all_domains: bool = False
) -> operations.CacheScope:
    if task_version and not task:
        raise click.UsageError("--version needs --task")
    if execution:
        found = admin.execution_id(execution)
        return operations.CacheScope(
            project=found.project, domain=found.domain, execution=found.name, task=task, task_version=task_version
        )
    domain = "" if all_domains else admin.domain
    return operations.CacheScope(project=admin.project, domain=domain, task=task, task_version=task_version)


@click.group()
def cache() -> None:
    """List or evict cached outputs, or set how old they may be."""


@cache.command("ls")
@click.argument("execution", default="")
@_of_task
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, help="Number of rows.", show_default=True)
@printing.option
@admin_calls.with_admin
def list_entries(
    execution: str, task: str, task_version: str, limit: int, output: str, admin: Admin, *, all_domains: bool
) -> None:
    """List cached outputs, newest first, or those that EXECUTION has stored."""
    request = operations.ListEntriesRequest(scope=_scope(admin, task, task_version, execution, all_domains=all_domains))
    found = operations.ListEntriesResponse()
    while len(found.entries) < limit:
        request.limit = min(limit - len(found.entries), _LONGEST_PAGE)
        page = admin.call(f"{SERVICE}ListEntries", request, operations.ListEntriesResponse)
        found.entries.extend(page.entries)
        found.token = request.token = page.token
        if not page.token:
            break
    printing.show(output, found, lambda: _lines(found))


@cache.command()
@click.argument("execution", default="")
@_of_task
@click.option("--all", "everything", is_flag=True, help="All of the domain, or with --all-domains of the project.")
@click.option("--dry-run", is_flag=True, help="Only count what would be evicted.")
@printing.option
@admin_calls.with_admin
def evict(
    execution: str,
    task: str,
    task_version: str,
    output: str,
    admin: Admin,
    *,
    all_domains: bool,
    everything: bool,
    dry_run: bool,
) -> None:
    """Remove cached outputs, so that the next run computes them: those that EXECUTION has stored, or of --task."""
    if not (execution or task or everything):
        raise click.UsageError("name an EXECUTION or a --task, or say --all")
    scope = _scope(admin, task, task_version, execution, all_domains=all_domains)
    request = operations.EvictRequest(scope=scope, dry_run=dry_run)
    total = operations.EvictResponse()
    while True:
        answer = admin.call(f"{SERVICE}Evict", request, operations.EvictResponse)
        total.evicted += answer.evicted
        total.more = answer.more
        if dry_run or not answer.more:
            break
    at_least = "more than " if total.more else ""
    done = "would be evicted" if dry_run else "evicted"
    printing.show(output, total, lambda: [f"{at_least}{total.evicted} cached outputs {done}"])


@cache.command()
@_of_task
@click.option(
    "--max-age", default="", callback=durations.option, help="Use outputs until they are this old: 90m, 12h, 7d."
)
@click.option("--remove", is_flag=True, help="Remove the policy; one that is less specific then counts.")
@printing.option
@admin_calls.with_admin
def policy(
    task: str,
    task_version: str,
    max_age: timedelta | None,
    output: str,
    admin: Admin,
    *,
    all_domains: bool,
    remove: bool,
) -> None:
    """Set how old cached outputs may be, of the domain or of --task; then list the policies of the project."""
    scope = _scope(admin, task, task_version, all_domains=all_domains)
    if remove and max_age is not None:
        raise click.UsageError("--max-age sets a policy, and --remove removes it; say one of them")
    if max_age is not None:
        request = operations.SetPolicyRequest(policy=operations.CachePolicy(scope=scope))
        request.policy.max_age.FromTimedelta(max_age)
        admin.call(f"{SERVICE}SetPolicy", request, operations.SetPolicyResponse)
    if remove:
        deletion = operations.DeletePolicyRequest(scope=scope)
        admin.call(f"{SERVICE}DeletePolicy", deletion, operations.DeletePolicyResponse)
    listing = operations.ListPoliciesRequest(project=admin.project)
    found = admin.call(f"{SERVICE}ListPolicies", listing, operations.ListPoliciesResponse)
    printing.show(output, found, lambda: _policies(found))


def _policies(found: operations.ListPoliciesResponse) -> list[str]:
    rows = [
        (
            one.scope.domain or "all",
            one.scope.task or "all",
            one.scope.task_version or "all",
            durations.text(one.max_age.ToTimedelta()),
        )
        for one in found.policies
    ]
    return printing.table(("domain", "task", "version", "max age"), rows)


def _lines(found: operations.ListEntriesResponse) -> list[str]:
    rows = [
        (
            entry.task.name,
            entry.cache_version,
            entry.task.version,
            _source(entry),
            moments.moment(entry.stored_at),
            moments.moment(entry.expires_at) if entry.HasField("expires_at") else "",
        )
        for entry in found.entries
    ]
    more = ["there are more: use --limit"] if found.token else []
    return [*printing.table(("task", "cache", "version", "computed by", "stored", "expires"), rows), *more]


def _source(entry: operations.CacheEntry) -> str:
    element = f" [{entry.element.value}]" if entry.HasField("element") else ""
    return f"{entry.source.execution_id.name} {entry.source.node_id}{element}".strip()
