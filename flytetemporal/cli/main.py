"""The ``flytetemporal`` command.

A sub-command is imported only when it runs. The list of commands and the completion of their names import none.
"""

import importlib
import os
import sys

import click
from click.shell_completion import CompletionItem

# The first sentence of each command's help. A command is the function of its name in the module of its name, with "_"
# for "-", or of the package that ``_PACKAGES`` names. What users need first comes first.
COMMANDS = {
    "dev": "Run everything on this machine: Temporal, Postgres, the Flyte API and a worker.",
    "get": "List executions, tasks, workflows, launch plans, schedules, artifacts, projects or triggers.",
    "describe": "Show EXECUTION with its nodes, or its node NODE with its attempts and the nodes inside it.",
    "logs": "Print the log of the node NODE of EXECUTION, or of all its nodes.",
    "why": "Explain why EXECUTION, or its node NODE, has not ended.",
    "metrics": "Show where the time of EXECUTION went: its spans, the states of its nodes, and the engine's own share.",
    "pause": "Let TARGET start nothing new until it is resumed.",
    "resume": "Let TARGET, which is paused, continue.",
    "pauses": "List what is paused in the project and domain, or the pauses that apply to EXECUTION.",
    "edit": "Change EXECUTION, or one of its nodes, while it runs.",
    "retry": "Run NODE of EXECUTION again, which has failed and is held.",
    "skip": "End NODE of EXECUTION with given outputs; it is held or has not started.",
    "terminate": "Abort EXECUTION.",
    "recover": "Start an execution that runs only what has not succeeded in EXECUTION, which has ended.",
    "fork": "Start an execution that reuses what succeeded in EXECUTION, which may still run, and runs the rest again.",
    "backfill": "Launch the times of a schedule in a range that has passed.",
    "export": "Write the history, rows and graph of EXECUTION to one file, without values unless asked.",
    "replay": "Walk the history in FILE with this version's engine, and say where it would differ.",
    "retention": "Show or set how long executions are kept, remove older ones now, or list what was removed.",
    "delete": "Delete an execution, a version of a task, a workflow or a launch plan, or a project, for ever.",
    "access": "Grant and revoke roles, list them, or make API keys.",
    "audit": "List changes, sign-ins and refusals in the project and domain, newest first.",
    "cache": "List or evict cached outputs, or set how old they may be.",
    "notify": "Send a test notification and say what became of it.",
    "admin": "Serve Flyte's API over gRPC and HTTP.",
    "worker": "Run executions and their tasks.",
    "control-worker": "Run the loops that keep everything in order, and launch schedules.",
    "catalog": "Serve the catalog over gRPC and HTTP.",
    "migrate": "Bring the database's schema up to date, and register search attributes in Temporal.",
    "promote": "Make a build of versioned workers the current one; running executions stay on theirs.",
    "doctor": "Check the servers of the stack running on the state folder, else those that the environment configures.",
    "status": "Print the endpoints and processes of the running stack, and when each loop ran.",
    "copilot": "Stage inputs and outputs of a raw container.",
    "hash-password": "Print the hash of a password or of a client's secret, asked for or read from standard input.",
    "version": "Print this installation's versions.",
}

_PACKAGES = {
    **dict.fromkeys(("get", "describe", "logs", "metrics", "recover", "export", "replay"), "executions"),
    "backfill": "backfills",
    "hash-password": "sign_in",
    **dict.fromkeys(("access", "audit"), "access"),
    **dict.fromkeys(("edit", "retry", "skip", "pause", "resume", "pauses"), "operators"),
}


class LazyGroup(click.Group):
    """A group of sub-commands that are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = ".".join(part for part in ("flytetemporal.cli.commands", _PACKAGES.get(cmd_name), name) if part)
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; click would import each for its help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names and options that complete what was typed; click would import each command for its help."""
        named = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run unchanged Flyte v1 workflows on Temporal.

    Exit status: 0 if the command did its work, 1 if it failed, 2 if it was called with wrong arguments.
    """


def run() -> None:
    """Run the command and exit without finalizing the interpreter.

    Finalizing it after the threads of the Temporal client have run can crash the process, which loses the exit status
    of a command that has done its work.
    """
    status: int | str | None = 0
    try:
        main(prog_name="flytetemporal")
    except SystemExit as e:
        status = e.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    run()
