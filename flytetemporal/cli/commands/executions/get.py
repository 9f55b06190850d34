"""``flytetemporal get``: lists executions and what is registered, or shows one execution's line."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, project_pb2, task_pb2, workflow_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from google.protobuf.message import Message

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import artifacts as artifact_views
from flytetemporal.cli.views import listing, moments
from flytetemporal.cli.views import schedules as schedule_views
from flytetemporal.cli.views import triggers as trigger_views
from flytetemporal.contracts.v1 import artifacts_pb2, fork_pb2, triggers_pb2

PHASES = core_execution_pb2.WorkflowExecution.Phase
_STATES = launch_plan_pb2.LaunchPlanState
OPERATIONS = "/flytetemporal.v1.OperationsService"
GET_LINEAGE = f"{OPERATIONS}/GetLineage"
GET_EXECUTION = "/flyteidl.service.AdminService/GetExecution"
_ENTITY_TITLES = ("name", "version", "created")


@click.group()
def get() -> None:
    """List executions, tasks, workflows, launch plans, schedules, artifacts, projects or triggers."""


@get.command()
@click.argument("execution", default="", shell_complete=admin_calls.complete_execution)
@click.option("--phase", "phases", multiple=True, type=click.Choice(list(PHASES.keys()), case_sensitive=False))
@click.option("--workflow", default="", help="Only executions of the workflow of this name.")
@listing.options
@printing.option
@admin_calls.with_admin
def executions(
    execution: str,
    phases: Sequence[str],
    workflow: str,
    filters: Sequence[str],
    limit: int,
    output: str,
    admin: Admin,
) -> None:
    """List executions, or show EXECUTION alone."""
    if execution:
        one = execution_pb2.WorkflowExecutionGetRequest(id=admin.execution_id(execution))
        found = admin.call(GET_EXECUTION, one, execution_pb2.Execution)
        printing.show(output, found, lambda: [*_execution_table([found]), *_forks(admin, found)])
        return
    wanted = [*filters]
    if phases:
        wanted.append(f"value_in(phase,{';'.join(phases)})")
    if workflow:
        wanted.append(f"eq(workflow.name,{workflow})")
    request = common_pb2.ResourceListRequest(filters="+".join(wanted))
    request.id.project, request.id.domain = admin.project, admin.domain
    listed = listing.read(admin, "ListExecutions", request, execution_pb2.ExecutionList(), limit)
    printing.show(output, listed, lambda: [*_execution_table(listed.executions), *listing.more(listed)])


@get.command()
@click.argument("name", default="")
@listing.options
@printing.option
@admin_calls.with_admin
def tasks(name: str, filters: Sequence[str], limit: int, output: str, admin: Admin) -> None:
    """List the versions of tasks, or of the task NAME."""
    listed = listing.read(admin, "ListTasks", _of_entity(admin, name, filters), task_pb2.TaskList(), limit)
    rows = ((*_entity(task), task.closure.compiled_task.template.type) for task in listed.tasks)
    _show(output, listed, (*_ENTITY_TITLES, "type"), rows)


@get.command()
@click.argument("name", default="")
@listing.options
@printing.option
@admin_calls.with_admin
def workflows(name: str, filters: Sequence[str], limit: int, output: str, admin: Admin) -> None:
    """List the versions of workflows, or of the workflow NAME."""
    listed = listing.read(admin, "ListWorkflows", _of_entity(admin, name, filters), workflow_pb2.WorkflowList(), limit)
    rows = (_entity(workflow) for workflow in listed.workflows)
    _show(output, listed, _ENTITY_TITLES, rows)


@get.command("launch-plans")
@click.argument("name", default="")
@listing.options
@printing.option
@admin_calls.with_admin
def launch_plans(name: str, filters: Sequence[str], limit: int, output: str, admin: Admin) -> None:
    """List the versions of launch plans, or of the launch plan NAME."""
    listed = listing.read(
        admin, "ListLaunchPlans", _of_entity(admin, name, filters), launch_plan_pb2.LaunchPlanList(), limit
    )
    rows = ((*_entity(plan), _STATES.Name(plan.closure.state)) for plan in listed.launch_plans)
    _show(output, listed, (*_ENTITY_TITLES, "state"), rows)


@get.command()
@click.argument("name", default="")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, help="Number of rows.", show_default=True)
@printing.option
@admin_calls.with_admin
def schedules(name: str, limit: int, output: str, admin: Admin) -> None:
    """List the schedules of active launch plans, or that of the launch plan NAME, by name."""
    found = schedule_views.read(admin, name, limit)
    printing.show(output, found, lambda: [*schedule_views.lines(found), *listing.more(found)])


@get.command()
@click.argument("name", default="")
@click.option("--partition", "partitions", multiple=True, metavar="KEY=VALUE", help="Only those; can be repeated.")
@click.option("--execution", default="", help="Only those that this execution has produced.")
@listing.limit
@printing.option
@admin_calls.with_admin
def artifacts(name: str, partitions: Sequence[str], execution: str, limit: int, output: str, admin: Admin) -> None:
    """List the artifacts that runs have produced, or the versions of the artifact NAME."""
    request = artifacts_pb2.ListArtifactsRequest(
        project=admin.project, domain=admin.domain, name=name, partitions=partitions, execution=execution
    )
    found = artifacts_pb2.ListArtifactsResponse()
    listed = listing.read(admin, "ListArtifacts", request, found, limit, service=listing.OPERATIONS_SERVICE)
    printing.show(output, listed, lambda: [*artifact_views.lines(listed), *listing.more(listed)])


@get.command()
@listing.options
@printing.option
@admin_calls.with_admin
def projects(filters: Sequence[str], limit: int, output: str, admin: Admin) -> None:
    """List projects with their domains."""
    request = project_pb2.ProjectListRequest(filters="+".join(filters))
    listed = listing.read(admin, "ListProjects", request, project_pb2.Projects(), limit)

    states = project_pb2.Project.ProjectState
    rows = (
        (found.id, found.name, ",".join(domain.id for domain in found.domains), states.Name(found.state))
        for found in listed.projects
    )
    _show(output, listed, ("id", "name", "domains", "state"), rows)


@get.command()
@click.argument("launch_plan", default="")
@click.option("--limit", default=100, show_default=True, help="List at most this many.")
@printing.option
@admin_calls.with_admin
def triggers(launch_plan: str, limit: int, output: str, admin: Admin) -> None:
    """List what launches launch plans, or LAUNCH_PLAN, besides schedules."""
    request = triggers_pb2.ListTriggersRequest(
        project=admin.project, domain=admin.domain, launch_plan=launch_plan, limit=limit
    )
    listed = admin.call(f"{OPERATIONS}/ListTriggers", request, triggers_pb2.ListTriggersResponse)
    if not listed.triggers:
        admin.check_project()
    printing.show(output, listed, lambda: trigger_views.trigger_lines(listed))


@get.command("trigger-events")
@click.argument("launch_plan")
@click.argument("trigger")
@click.option("--limit", default=100, show_default=True, help="List at most this many, newest first.")
@printing.option
@admin_calls.with_admin
def trigger_events(launch_plan: str, trigger: str, limit: int, output: str, admin: Admin) -> None:
    """List the events of TRIGGER of LAUNCH_PLAN, and what each has launched."""
    request = triggers_pb2.ListTriggerEventsRequest(
        project=admin.project, domain=admin.domain, launch_plan=launch_plan, trigger=trigger, limit=limit
    )
    listed = admin.call(f"{OPERATIONS}/ListTriggerEvents", request, triggers_pb2.ListTriggerEventsResponse)
    printing.show(output, listed, lambda: trigger_views.event_lines(listed))


def _show(output: str, listed: Message, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # Rows are made for people only.
    printing.show(output, listed, lambda: [*printing.table(titles, rows), *listing.more(listed)])


def _of_entity(admin: Admin, name: str, filters: Sequence[str]) -> common_pb2.ResourceListRequest:
    request = common_pb2.ResourceListRequest(filters="+".join(filters))
    request.id.project, request.id.domain, request.id.name = admin.project, admin.domain, name
    return request


def _entity(found: Any) -> tuple[str, str, str]:
    return found.id.name, found.id.version, moments.moment(found.closure.created_at)


def _forks(admin: Admin, execution: execution_pb2.Execution) -> list[str]:
    """Return a line with the forks of an execution, if it has any."""
    request = fork_pb2.LineageRequest(execution_id=execution.id)
    forks = admin.call(GET_LINEAGE, request, fork_pb2.Lineage).forks
    return printing.fields([("forked by", ", ".join(made.execution_id.name for made in forks))])


def _execution_table(found: Sequence[execution_pb2.Execution]) -> list[str]:
    rows = [
        (
            execution.id.name,
            PHASES.Name(execution.closure.phase),
            execution.spec.launch_plan.name,
            moments.moment(execution.closure.created_at),
            moments.duration(execution.closure),
            execution.spec.metadata.reference_execution.name,
            moments.error(execution.closure),
        )
        for execution in found
    ]
    return printing.table(("name", "phase", "launch plan", "created", "duration", "made from", "error"), rows)
