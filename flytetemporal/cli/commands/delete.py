"""``flytetemporal delete``: removes an execution, or a version of a task, a workflow or a launch plan, for ever."""

import getpass

import click
from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.contracts.v1 import retention_pb2

SERVICE = "/flytetemporal.v1.OperationsService/"


@click.group()
def delete() -> None:
    """Delete an execution that has ended, or one version of a task, a workflow or a launch plan, for ever."""


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
    click.echo(f"{answer.executions} executions with {answer.nodes} nodes and {answer.tasks} tasks {verb}")


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


def _delete(admin: Admin, kind: identifier_pb2.ResourceType, name: str, version: str) -> None:
    identifier = identifier_pb2.Identifier(
        resource_type=kind, project=admin.project, domain=admin.domain, name=name, version=version
    )
    request = retention_pb2.DeleteVersionRequest(id=identifier, deleted_by=getpass.getuser())
    admin.call(f"{SERVICE}DeleteVersion", request, retention_pb2.DeleteVersionResponse)
    click.echo(f"version {version} of {name} deleted")
