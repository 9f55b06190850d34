"""``flytetemporal delete``: removes an execution, a version of an entity, or a whole project, for ever."""

import getpass

import click
from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import removals
from flytetemporal.contracts.v1 import retention_pb2

SERVICE = "/flytetemporal.v1.OperationsService/"


@click.group()
def delete() -> None:
    """Delete an execution, a version of a task, a workflow or a launch plan, or a project, for ever."""


@delete.command()
@admin_calls.execution_argument
@click.option("--dry-run", is_flag=True, help="Only check and count.")
@admin_calls.with_admin
def execution(execution: str, admin: Admin, *, dry_run: bool) -> None:
    """Delete EXECUTION and those that its launch plan nodes have launched, with their history and files."""
    request = retention_pb2.DeleteExecutionRequest(
        execution_id=admin.execution_id(execution), deleted_by=getpass.getuser(), dry_run=dry_run
    )
    answer = admin.call(f"{SERVICE}DeleteExecution", request, retention_pb2.DeleteExecutionResponse)
    verb = "would be deleted" if dry_run else "deleted"
    click.echo(f"{removals.executions(answer)} {verb}")


@delete.command()
@click.argument("name")
@click.argument("version")
@admin_calls.with_admin
def task(name: str, version: str, admin: Admin) -> None:
    """Delete VERSION of the task NAME."""
    _delete(admin, identifier_pb2.TASK, name, version)


@delete.command()
@click.argument("name")
@click.argument("version")
@admin_calls.with_admin
def workflow(name: str, version: str, admin: Admin) -> None:
    """Delete VERSION of the workflow NAME."""
    _delete(admin, identifier_pb2.WORKFLOW, name, version)


@delete.command("launch-plan")
@click.argument("name")
@click.argument("version")
@admin_calls.with_admin
def launch_plan(name: str, version: str, admin: Admin) -> None:
    """Delete VERSION of the launch plan NAME."""
    _delete(admin, identifier_pb2.LAUNCH_PLAN, name, version)


@delete.command()
@click.argument("project_id", metavar="PROJECT")
@click.option("--dry-run", is_flag=True, help="Only check and count.")
@click.option("--terminate", is_flag=True, help="End what runs in it, and its schedules, triggers and backfills, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@admin_calls.with_admin
def project(project_id: str, admin: Admin, *, dry_run: bool, terminate: bool, yes: bool) -> None:
    """Delete PROJECT with everything in all its domains: executions, versions, cached outputs, settings and files."""
    request = retention_pb2.DeleteProjectRequest(
        project=project_id, deleted_by=getpass.getuser(), dry_run=True, terminate=terminate
    )
    found = admin.call(f"{SERVICE}DeleteProject", request, retention_pb2.DeleteProjectResponse)
    for line in removals.project(found):
        click.echo(line)
    if dry_run:
        click.echo("would be deleted")
        return
    if not yes:
        click.confirm(f"Delete project {project_id} with all of this, for ever?", abort=True)
    request.dry_run = False
    admin.call(f"{SERVICE}DeleteProject", request, retention_pb2.DeleteProjectResponse)
    click.echo(
        f"project {project_id} is being deleted: `flytetemporal retention log -p {project_id}` shows how far it is"
    )


def _delete(admin: Admin, kind: identifier_pb2.ResourceType, name: str, version: str) -> None:
    identifier = identifier_pb2.Identifier(
        resource_type=kind, project=admin.project, domain=admin.domain, name=name, version=version
    )
    request = retention_pb2.DeleteVersionRequest(id=identifier, deleted_by=getpass.getuser())
    admin.call(f"{SERVICE}DeleteVersion", request, retention_pb2.DeleteVersionResponse)
    click.echo(f"version {version} of {name} deleted")
