"""``flytetemporal pause``: keeps a project, a launch plan, an execution or a node from starting anything new.

``resume`` shares its options.
"""

from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from flytetemporal.cli import admin_calls, printing, users
from flytetemporal.cli.views import pauses as views
from flytetemporal.contracts.v1 import pauses_pb2

PAUSE = "/flytetemporal.v1.OperationsService/Pause"
KINDS = ("execution", "launch-plan", "project", "schedule")
Target = pauses_pb2.PauseTarget


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument and the options that name what is paused or resumed."""
    for decorate in (
        admin_calls.with_admin,
        printing.option,
        users.option,
        click.option("--node", default="", help="Only this node of the execution, with what is below it."),
        click.option(
            "--kind", type=click.Choice(KINDS), default="execution", show_default=True, help="What TARGET names."
        ),
        click.argument("target"),
    ):
        command = decorate(command)
    return command


def target_of(admin: admin_calls.Admin, kind: str, name: str, node: str) -> Target:
    """Return what the user named.

    Raises:
        click.UsageError: a node of something that is no execution.
    """
    if node and kind != "execution":
        raise click.UsageError(f"--node names a node of an execution, and TARGET is a {kind}")
    if kind == "execution":
        identifier = admin.execution_id(name)
        number = Target.NODE if node else Target.EXECUTION
        return Target(
            kind=number,
            project=identifier.project,
            domain=identifier.domain,
            name=identifier.name,
            node_id=node,
        )
    if kind in ("launch-plan", "schedule"):
        number = Target.LAUNCH_PLAN if kind == "launch-plan" else Target.SCHEDULE
        return Target(kind=number, project=admin.project, domain=admin.domain, name=name)
    given = click.get_current_context().get_parameter_source("domain") is not ParameterSource.DEFAULT
    return Target(kind=Target.PROJECT, project=name, domain=admin.domain if given else "")


@click.command()
@with_target
@click.option("--stop-running", is_flag=True, help="Stop attempts that run; they run again after the pause.")
@click.option("--reason", default="", help="Why; others see it.")
def pause(
    target: str, kind: str, node: str, by: str, reason: str, admin: admin_calls.Admin, output: str, **flags: Any
) -> None:
    """Let TARGET start nothing new until it is resumed.

    TARGET is an execution, with --kind launch-plan the name of a launch plan, which is paused with its schedule, with
    --kind schedule that of a launch plan whose schedule alone is paused, with --kind project a project: in all its
    domains, unless --domain names one. Attempts that run may finish, unless they are stopped.
    """
    request = pauses_pb2.PauseRequest(
        target=target_of(admin, kind, target, node), stop_running=flags["stop_running"], reason=reason, paused_by=by
    )
    answer = admin.call(PAUSE, request, pauses_pb2.PauseResponse)
    printing.show(output, answer, lambda: [f"{views.named(answer.pause.target)} is paused"])
