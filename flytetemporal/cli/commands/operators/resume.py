"""``flytetemporal resume``: ends a pause."""

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.commands.operators.pause import target_of, with_target
from flytetemporal.cli.views import pauses as views
from flytetemporal.contracts.v1 import pauses_pb2

RESUME = "/flytetemporal.v1.OperationsService/Resume"


@click.command()
@with_target
def resume(target: str, kind: str, node: str, by: str, admin: admin_calls.Admin, output: str) -> None:
    """Let TARGET, which is paused, continue.

    TARGET is named as for pause. What a wider pause keeps waiting, such as that of the project, waits on.
    """
    request = pauses_pb2.ResumeRequest(target=target_of(admin, kind, target, node), resumed_by=by)
    answer = admin.call(RESUME, request, pauses_pb2.ResumeResponse)
    printing.show(output, answer, lambda: _lines(request.target, answer))


def _lines(target: pauses_pb2.PauseTarget, answer: pauses_pb2.ResumeResponse) -> list[str]:
    done = f"{views.named(target)} {'is resumed' if answer.was_paused else 'is not paused'}"
    if not answer.remaining:
        return [done]
    return [f"{done}; these pauses remain:", *(f"  {views.named(pause.target)}" for pause in answer.remaining)]
